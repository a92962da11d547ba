package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
	"atlas-restore-exporter/internal/golden"
)

// asProgram is set in processes that are to be the program itself.
const asProgram = "TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestSignals sends a signal to a process of its own: it ends within seconds, and with status 0.
func TestSignals(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		command := exec.CommandContext(t.Context(), os.Args[0], "demo", "--web.listen-address=127.0.0.1:0")
		command.Env = append(os.Environ(), asProgram+"=1")
		var stderr buffer
		command.Stderr = &stderr
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return strings.Contains(stderr.String(), "Listening on") }, stderr.String)
		sent := time.Now()
		if err := command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil || time.Since(sent) > 6*time.Second {
			t.Errorf("%v: %v after %v: %s", signal, err, time.Since(sent), stderr.String())
		}
	}
}

// buffer is a buffer that a program writes and a test reads.
type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

// program is a command line that runs, as the real one but in this process.
type program struct {
	t              *testing.T
	stdout, stderr buffer
	stop           context.CancelFunc
	status         chan int
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{t: t, stop: cancel, status: make(chan int, 1)}
	go func() { p.status <- run(ctx, args, &p.stdout, &p.stderr) }()
	t.Cleanup(func() { cancel() })
	return p
}

// wait returns the exit status.
func (p *program) wait() int {
	p.t.Helper()
	select {
	case status := <-p.status:
		p.status <- status
		return status
	case <-time.After(30 * time.Second):
		p.t.Fatalf("it does not end; %s", p.stderr.String())
		return -1
	}
}

var listening = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

// address waits until the program listens, and returns where.
func (p *program) address() string {
	p.t.Helper()
	var match []string
	eventually(p.t, func() bool {
		match = listening.FindStringSubmatch(p.stderr.String())
		return match != nil || len(p.status) > 0
	}, p.stderr.String)
	if match == nil {
		p.t.Fatalf("ended: %s", p.stderr.String())
	}
	return match[1]
}

func eventually(t *testing.T, condition func() bool, explain func() string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within half a minute: %s", explain())
		}
	}
}

// fetch gets a page. Without a client, http.DefaultClient's settings are used, and no connection is kept.
func fetch(t *testing.T, client *http.Client, url string, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

const (
	payments = "32b6e34b3d91647abb20e7b8"
	secret   = "NEVER-SHOW-THIS-SECRET"
)

// newSim returns a simulated Atlas on a real socket, and a configuration file that polls it fast.
func newSim(t *testing.T, clusters string) (sim *atlastest.Server, configFile string) {
	t.Helper()
	sim = atlastest.New()
	sim.AddServiceAccount("mdb_sa_id_1", secret)
	sim.AddProject(payments, "Payments")
	sim.AddCluster(payments, "prod", atlastest.DedicatedCluster)
	sim.AddCluster(payments, "team", atlastest.FlexCluster)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	configFile = filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, configFile, fmt.Sprintf(`
atlas: {base_url: %q}
credentials: {default: {service_account: {client_id: mdb_sa_id_1, client_secret: %s}}}
polling: {interval: 1s}
projects: [{id: %s, clusters: [%s]}]
`, server.URL, secret, payments, clusters))
	return sim, configFile
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestServe is the walk from end to end: a real configuration file, real sockets on both sides, a job that goes from
// running to failed, and a clean end in mid-poll.
func TestServe(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // the last to run
	sim, configFile := newSim(t, "{name: prod}, {name: team, backup_types: [flex]}, {name: gone}")
	list := atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Dedicated}
	ids := sim.AddJobs(list, atlastest.Job{}, atlastest.Job{Delivery: "download", Takes: time.Second})
	p := start(t, "--config.file", configFile, "--web.listen-address", "127.0.0.1:0", "--log.level=debug")
	base := "http://" + p.address()
	if status, body := fetch(t, nil, base+"/-/healthy"); status != 200 || body != "healthy\n" {
		t.Errorf("healthy: %d %s", status, body)
	}
	for path, want := range map[string]int{"/-/healthy": 0, "/no-such-path": 1} {
		if health := start(t, "health", "--url", base+path); health.wait() != want {
			t.Errorf("health of %s: %d, want %d: %s", path, health.wait(), want, health.stderr.String())
		}
	}
	eventually(t, func() bool { status, _ := fetch(t, nil, base+"/-/ready"); return status == 200 }, p.stderr.String)

	has := func(wanted ...string) {
		t.Helper()
		var body string
		eventually(t, func() bool {
			_, body = fetch(t, nil, base+"/metrics")
			return !slices.ContainsFunc(wanted, func(w string) bool { return !strings.Contains(body, w) })
		}, func() string { return fmt.Sprintf("%q in\n%s", wanted, body) })
	}
	job := func(name, labels string) string {
		return fmt.Sprintf(`mongodbatlas_restore_job_%s{backup_type="dedicated",cluster_name="prod",job_id="%s",project_id="%s"%s} `, name, ids[0], payments, labels)
	}
	has(job("status", `,status="in_progress"`)+"1", job("failed", "")+"0", `status="ready"} 1`,
		`poll_error{backup_type="dedicated",cluster_name="gone",project_id="`+payments+`",reason="not_found"} 1`,
		`project_name="Payments"`, "go_goroutines ", "process_cpu_seconds_total ", "promhttp_metric_handler_requests_total")
	sim.ChangeJob(list, ids[0], func(j *atlastest.Job) { j.Takes, j.Outcome = time.Second, atlastest.Fails })
	has(job("status", `,status="failed"`)+"1", job("status", `,status="in_progress"`)+"0", job("failed", "")+"1")

	_, page := fetch(t, nil, base+"/")
	for _, wanted := range []string{"Payments", "prod", ids[0], "There is no cluster gone in project " + payments, "failed"} {
		if !strings.Contains(page, wanted) {
			t.Errorf("the status page has no %q", wanted)
		}
	}
	response, err := http.Get(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if policy := response.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("content security policy %q", policy)
	}
	if status, _ := fetch(t, nil, base+"/debug/pprof/"); status != 404 {
		t.Errorf("pprof answers %d", status)
	}
	_, metrics := fetch(t, nil, base+"/metrics")
	sim.Script(atlastest.PathHas("prod"), 0, atlastest.Hang())
	time.Sleep(1100 * time.Millisecond)
	stopped := time.Now()
	p.stop()
	if status := p.wait(); status != 0 || time.Since(stopped) > 5*time.Second {
		t.Errorf("exit status %d after %v", status, time.Since(stopped))
	}
	for place, text := range map[string]string{"stdout": p.stdout.String(), "stderr": p.stderr.String(), "page": page, "metrics": metrics} {
		for _, mark := range []string{secret, "token-", ".tar.gz"} {
			if strings.Contains(text, mark) {
				t.Errorf("%s on %s: %s", mark, place, text)
			}
		}
	}
	if !strings.Contains(p.stderr.String(), `msg="poll failed" project_id=`+payments+` cluster_name=gone`) {
		t.Errorf("log: %s", p.stderr.String())
	}
}

// TestNoTokenBeforeTheSocketIsBound has a port that is taken: a process that restarts for ever must not use up tokens.
func TestNoTokenBeforeTheSocketIsBound(t *testing.T) {
	sim, configFile := newSim(t, "{name: prod}")
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	p := start(t, "serve", "--config.file", configFile, "--web.listen-address", taken.Addr().String())
	if status := p.wait(); status != 1 || !strings.Contains(p.stderr.String(), "address already in use") {
		t.Errorf("exit status %d: %s", status, p.stderr.String())
	}
	if requests := sim.Requests(nil); len(requests) != 0 {
		t.Errorf("asked %v", requests)
	}
}

// TestWebConfig serves over TLS, to those who know the password.
func TestWebConfig(t *testing.T) {
	_, configFile := newSim(t, "{name: prod}")
	dir := t.TempDir()
	roots := writeCertificate(t, dir)
	webFile := filepath.Join(dir, "web.yaml")
	hash, err := bcrypt.GenerateFromPassword([]byte("let me in"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, webFile, fmt.Sprintf(`
tls_server_config: {cert_file: cert.pem, key_file: key.pem}
basic_auth_users: {prometheus: %q}
`, hash))
	p := start(t, "--config.file", configFile, "--web.listen-address", "127.0.0.1:0", "--web.config.file", webFile)
	url := "https://" + p.address() + "/metrics"
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	if status, body := fetch(t, client, url); status != 401 {
		t.Errorf("without a password: %d %s", status, body)
	}
	for password, want := range map[string]int{"wrong": 401, "let me in": 200} {
		login := "Basic " + base64.StdEncoding.EncodeToString([]byte("prometheus:"+password))
		if status, body := fetch(t, client, url, "Authorization", login); status != want {
			t.Errorf("with password %q: %d %s", password, status, body)
		}
	}
	if status, _ := fetch(t, nil, strings.Replace(url, "https", "http", 1)); status == 200 {
		t.Error("served without TLS")
	}
	p.stop()
	p.wait()

	writeFile(t, webFile, "tls_server_config: {cert_file: nowhere.pem, key_file: key.pem}\n")
	p = start(t, "--config.file", configFile, "--web.listen-address", "127.0.0.1:0", "--web.config.file", webFile)
	if status := p.wait(); status != 1 || !strings.HasPrefix(p.stderr.String(), "atlas-restore-exporter: web configuration: ") {
		t.Errorf("a bad web configuration: %d %s", status, p.stderr.String())
	}
}

func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
	writeFile(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	roots := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(parsed)
	return roots
}

// TestThroughTLS polls an Atlas whose authority only atlas.ca_file names, and looks at what it was asked with.
func TestThroughTLS(t *testing.T) {
	sim, configFile := newSim(t, "{name: prod}")
	dir := t.TempDir()
	writeCertificate(t, dir)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(sim)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	text, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "}\n")
	check := func(address, caFile string) (int, string) {
		writeFile(t, configFile, fmt.Sprintf("atlas: {base_url: %q, ca_file: %q}\n%s", address, caFile, rest))
		p := start(t, "check", "--config.file", configFile)
		return p.wait(), p.stdout.String()
	}
	if status, said := check(server.URL, ""); status != 1 || !strings.Contains(said, "set atlas.ca_file") {
		t.Errorf("an unknown authority: %d %s", status, said)
	}
	wrongName := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	if status, said := check(wrongName, filepath.Join(dir, "cert.pem")); status != 1 || !strings.Contains(said, "FAILED: network") || !strings.Contains(said, "for another name") {
		t.Errorf("a wrong name: %d %s", status, said)
	}
	if status, said := check(server.URL, filepath.Join(dir, "cert.pem")); status != 0 {
		t.Errorf("%d %s", status, said)
	}
	for _, request := range sim.Requests(nil) {
		if agent := request.Header.Get("User-Agent"); agent != "atlas-restore-exporter/"+buildInfo().Version {
			t.Errorf("%s was asked by %q", request.Path, agent)
		}
	}
}

// brokenPipe panics when it is written to.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { panic("broken") }

// TestPanicIsNoSuccess has a command panic: that must not look like an exit with status 0.
func TestPanicIsNoSuccess(t *testing.T) {
	_, configFile := newSim(t, "{name: prod}")
	defer func() {
		if panicked := fmt.Sprint(recover()); !strings.Contains(panicked, "broken") {
			t.Errorf("the panic was lost: %s", panicked)
		}
	}()
	run(t.Context(), []string{"check", "--config.file", configFile}, brokenPipe{}, io.Discard)
}

// TestDemo runs the demo until it has every family, in both formats.
func TestDemo(t *testing.T) {
	p := start(t, "demo", "--web.listen-address", "127.0.0.1:0")
	url := "http://" + p.address() + "/metrics"
	var families map[string]bool
	eventually(t, func() bool {
		status, body := fetch(t, nil, url)
		if status != 200 {
			return false
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		parsed, err := parser.TextToMetricFamilies(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		families = map[string]bool{}
		for name := range parsed {
			families[name] = true
		}
		return !slices.ContainsFunc(collector.Families(), func(f collector.Family) bool { return !families[f.Name] })
	}, func() string { return fmt.Sprint(families) })
	if _, body := fetch(t, nil, url, "Accept", "application/openmetrics-text; version=1.0.0"); !strings.HasSuffix(body, "# EOF\n") {
		t.Error("no OpenMetrics for who asks for it")
	}
	host, port, _ := net.SplitHostPort(p.address())
	if announced := "http://localhost:" + port + "/metrics"; host != "127.0.0.1" || !strings.Contains(p.stdout.String(), announced) {
		t.Errorf("%s is not announced: %s", announced, p.stdout.String())
	}
	p.stop()
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d: %s", status, p.stderr.String())
	}
}

// TestCheck looks at what `check` says of targets that can be polled and of others.
func TestCheck(t *testing.T) {
	sim, configFile := newSim(t, "{name: prod}, {name: team}, {name: gone}, {name: team, backup_types: [flex]}")
	now := time.Now()
	ids := sim.AddJobs(atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Dedicated},
		atlastest.Job{Created: now.Add(-26 * time.Hour), Takes: time.Minute}, atlastest.Job{Created: now.Add(-50 * time.Hour), Takes: time.Minute})
	p := start(t, "check", "--config.file", configFile)
	if status := p.wait(); status != 1 {
		t.Errorf("exit status %d: %s", status, p.stderr.String())
	}
	golden.Equal(t, "testdata/check.txt", p.stdout.String())
	if progress := p.stderr.String(); strings.Count(progress, "\n") != 4 || !strings.Contains(progress, "asked 4 of 4 targets") {
		t.Errorf("progress: %s", progress)
	}

	p = start(t, "check", "--config.file", configFile, "--output=json")
	if status := p.wait(); status != 1 {
		t.Errorf("exit status %d: %s", status, p.stderr.String())
	}
	var results []checkResult
	if err := json.Unmarshal([]byte(p.stdout.String()), &results); err != nil || len(results) != 4 {
		t.Fatalf("%v: %s", err, p.stdout.String())
	}
	if r := results[0]; !r.OK || r.Jobs != 2 || r.NewestJob.ID != ids[0] || r.NewestJob.Status != "completed" || r.ProjectName != "Payments" {
		t.Errorf("%+v", r)
	}
	if r := results[1]; r.OK || r.Reason != "wrong_backup_type" || r.Advice == "" {
		t.Errorf("%+v", r)
	}

	_, configFile = newSim(t, "{name: prod}")
	p = start(t, "check", "--config.file", configFile)
	if status := p.wait(); status != 0 || !strings.Contains(p.stdout.String(), "Payments  prod     dedicated    ok      0     none") {
		t.Errorf("exit status %d: %s", status, p.stdout.String())
	}
}

// TestAdvice has a sentence for every way in which a poll can fail.
func TestAdvice(t *testing.T) {
	target := collector.Target{List: atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Dedicated}, Credential: "default", Timeout: 30 * time.Second}
	var all strings.Builder
	for _, failure := range []struct {
		what       string
		err        error
		backupType atlas.BackupType // dedicated where empty
	}{
		{"wrong client secret", &atlas.Error{Endpoint: atlas.EndpointToken, Status: 401, Code: "invalid_client"}, ""},
		{"token limit", &atlas.Error{Endpoint: atlas.EndpointToken, Status: 403, Code: "access_denied"}, ""},
		{"wrong key", &atlas.Error{Status: 401}, ""},
		{"another organization", &atlas.Error{Status: 401, Code: "USER_CANNOT_ACCESS_GROUP"}, ""},
		{"access list", &atlas.Error{Status: 403, Code: "IP_ADDRESS_NOT_ON_ACCESS_LIST"}, ""},
		{"missing role", &atlas.Error{Status: 403, Code: "ACCESS_FORBIDDEN"}, ""},
		{"suspended", &atlas.Error{Status: 402, Code: "ACCOUNT_SUSPENDED"}, ""},
		{"no project", &atlas.Error{Status: 404, Code: "GROUP_NOT_FOUND"}, ""},
		{"no cluster", &atlas.Error{Status: 404, Code: "CLUSTER_NOT_FOUND"}, ""},
		{"flex cluster", &atlas.Error{Status: 400, Code: "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API"}, ""},
		{"dedicated cluster", &atlas.Error{Status: 400, Code: "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API"}, atlas.Flex},
		{"serverless instance", &atlas.Error{Status: 400, Code: "CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API"}, ""},
		{"not legacy", &atlas.Error{Status: 400, Code: "INCORRECT_BACKUP_API_ENDPOINT"}, atlas.Legacy},
		{"another kind", &atlas.Error{Status: 400, Code: "CANNOT_USE_ODD_CLUSTER_IN_EVEN_API"}, ""},
		{"retired", &atlas.Error{Status: 410, Code: "VERSION_GONE"}, atlas.Serverless},
		{"ended version", &atlas.Error{Status: 410, Code: "VERSION_GONE"}, ""},
		{"somebody else", &atlas.Error{Status: 404}, ""},
		{"no token endpoint", &atlas.Error{Endpoint: atlas.EndpointToken, Status: 404}, ""},
		{"no backups", &atlas.Error{Status: 400, Code: "BACKUP_JOB_NOT_FOUND"}, ""},
		{"wrong name", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, ""},
		{"expired certificate", x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}, ""},
		{"rate limited", &atlas.Error{Status: 429}, ""},
		{"server error", &atlas.Error{Status: 500}, ""},
		{"timeout", context.DeadlineExceeded, ""},
		{"name", &net.DNSError{Err: "no such host", Name: "cloud.mongodb.com"}, ""},
		{"certificate", x509.UnknownAuthorityError{}, ""},
		{"refused", io.EOF, ""},
		{"malformed", &atlas.MalformedError{Err: io.EOF}, ""},
		{"other", &atlas.Error{Status: 418}, ""},
		{"defect", collector.ErrInternal, ""},
	} {
		target.BackupType = cmp.Or(failure.backupType, atlas.Dedicated)
		snapshot := &collector.Snapshot{Target: &target, Err: failure.err, Reason: collector.ReasonOf(failure.err, target.BackupType)}
		_, _ = fmt.Fprintf(&all, "%s (%s): %s\n", failure.what, snapshot.Reason, advice(snapshot))
	}
	golden.Equal(t, "testdata/advice.txt", all.String())
}

// TestCommandLine runs what ends at once.
func TestCommandLine(t *testing.T) {
	t.Setenv("ATLAS_RESTORE_EXPORTER_LOG_FORMAT", "json")
	t.Setenv("ATLAS_RESTORE_EXPORTER_CONFIG_FILE", "from-the-environment.yaml")
	for _, test := range []struct {
		args   []string
		status int
		stdout string // part of it
		stderr string
	}{
		{[]string{"--version"}, 0, "atlas-restore-exporter dev (", ""},
		{[]string{"--help"}, 0, "serve --help", ""},
		{[]string{"serve", "--help"}, 0, "--web.listen-address=HOST:PORT", ""},
		{[]string{"demo", "--help"}, 0, "--web.config.file=FILE", ""},
		{[]string{"check", "--help"}, 0, `--output="table"`, ""},
		{[]string{"--no-such-flag"}, 2, "", "atlas-restore-exporter: unknown flag --no-such-flag (see --help)\n"},
		{[]string{"--log.level=loud"}, 2, "", `unknown name (see --help)`},
		{[]string{"--log.format=xml"}, 2, "", `must be one of "auto","text","json"`},
		{[]string{"serve"}, 1, "", "open from-the-environment.yaml: no such file or directory"},
		{[]string{"--config.file=from-the-flag.yaml"}, 1, "", "open from-the-flag.yaml: no such file or directory"},
		{[]string{"check", "--config.file=testdata/config/bad/unknown-key.yaml"}, 1, "", "unknown-key.yaml:7: pollling: unknown key, want one of"},
	} {
		p := start(t, test.args...)
		if status := p.wait(); status != test.status || !strings.Contains(p.stdout.String(), test.stdout) || !strings.Contains(p.stderr.String(), test.stderr) {
			t.Errorf("%q: status %d\nstdout %s\nstderr %s", test.args, status, p.stdout.String(), p.stderr.String())
		}
	}
}

func TestShardFlag(t *testing.T) {
	for text, want := range map[string]collector.Shard{
		"0/1": {Index: 0, Count: 1}, "2/3": {Index: 2, Count: 3}, "atlas-restore-exporter-11/12": {Index: 11, Count: 12},
		"": {}, "3/3": {}, "1": {}, "-1/3/": {}, "x/3": {}, "1/x": {}, "0/0": {}, "1/70000": {},
	} {
		var flag shardFlag
		if err := flag.UnmarshalText([]byte(text)); collector.Shard(flag) != want || (err == nil) != (want.Count > 0) {
			t.Errorf("%q: %v, %v; want %v", text, flag, err, want)
		}
	}
}

// TestShardsServe starts both shards of a fleet: each serves its part, and together they serve everything once.
func TestShardsServe(t *testing.T) {
	clusters := "{name: prod}, {name: team, backup_types: [flex]}, {name: a}, {name: b}, {name: c}"
	_, configFile := newSim(t, clusters)
	seen := map[string]int{}
	for _, shard := range []string{"0/2", "exporter-1/2"} {
		p := start(t, "--config.file", configFile, "--web.listen-address", "127.0.0.1:0", "--shard", shard)
		_, body := fetch(t, nil, "http://"+p.address()+"/metrics")
		for line := range strings.Lines(body) {
			if _, labels, found := strings.Cut(line, "mongodbatlas_restore_target_info{"); found {
				seen[labels]++
			}
		}
		p.stop()
		p.wait()
	}
	if len(seen) != 5 {
		t.Errorf("%d targets, want 5: %v", len(seen), seen)
	}
	for labels, n := range seen {
		if n != 1 {
			t.Errorf("served %d times: %s", n, labels)
		}
	}
}
