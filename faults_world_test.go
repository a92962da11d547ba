package main

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector"
)

// This file holds what TestFaults puts between an exporter and a simulated Atlas.

// The targets of a faultWorld. The faults are those of the victim.
var (
	victim    = atlas.List{ProjectID: payments, ClusterName: "prod", BackupType: atlas.Dedicated}
	neighbour = atlas.List{ProjectID: otherProject, ClusterName: "prod", BackupType: atlas.Dedicated}   // another project, the same credential and network
	bystander = atlas.List{ProjectID: limitedProject, ClusterName: "prod", BackupType: atlas.Dedicated} // a credential and a network of its own
)

const (
	atlasHost    = "atlas.test"
	clientID     = "mdb_sa_id_1"
	link         = "https://restore.example.net/NEVER-SHOW-THIS-LINK.tar.gz"
	fastInterval = 200 * time.Millisecond
	slowInterval = 500 * time.Millisecond
	fastTimeout  = 2 * time.Second
	slowTimeout  = 20 * time.Second // which nothing should take, on a machine that is busy
)

// basic is how the victim's client asks for tokens.
var basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(clientID+":"+secret))

// faultWorld is an exporter that polls a simulated Atlas through a network that can be at fault. It uses real sockets or,
// for faults that last for minutes, connections in memory under the clock of testing/synctest.
type faultWorld struct {
	*testing.T
	fault    *fault
	sim      *atlastest.Server
	network  *network
	exporter *exporter
	polls    *polls
	running  map[atlas.List]string // ids of jobs that run when the fault begins
	fetch    func(path string) string
	log      buffer
}

// newFaultWorld returns a world in which everything is right, and has been polled.
func newFaultWorld(t *testing.T, f *fault) *faultWorld {
	t.Helper()
	w := &faultWorld{T: t, fault: f, sim: atlastest.New(), running: map[atlas.List]string{}}
	w.sim.AddServiceAccount(clientID, secret)
	w.sim.AddServiceAccount("other", secret)
	w.sim.AddAPIKey(clientID, secret)
	for _, list := range []atlas.List{victim, neighbour, bystander} {
		w.sim.AddProject(list.ProjectID, "Project")
		w.sim.AddCluster(list.ProjectID, list.ClusterName, atlastest.DedicatedCluster)
		w.running[list] = w.sim.AddJobs(list, atlastest.Job{},
			atlastest.Job{Delivery: "download", Created: time.Now().Add(-time.Minute), Takes: time.Second, LinkLife: 30 * time.Minute})[0]
	}
	direct := w.connect()
	config := w.config()
	app := &app{logger: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), build: buildInfo()}
	var err error
	if w.exporter, err = app.newExporter(config, w.network.DialContext); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.exporter.close)
	w.poll(config, direct)
	w.serve()
	w.polled(1)
	w.shows(slices.Concat(w.known(victim), w.known(neighbour), w.known(bystander))...)
	return w
}

// connect puts the simulator where the exporter can reach it, and returns how the bystander does.
func (w *faultWorld) connect() (direct dialFunc) {
	if w.fault.lasts > 0 {
		pipe := atlastest.NewPipe(w.sim)
		w.Cleanup(pipe.Close)
		w.network = newNetwork(pipe.DialContext)
		return pipe.DialContext
	}
	listen := func(secure bool) dialFunc {
		server := httptest.NewUnstartedServer(w.sim)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		if secure {
			server.EnableHTTP2 = w.fault.http2
			server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return w.network.certificate.Load(), nil
			}}
			server.StartTLS()
		} else {
			server.Start()
		}
		w.Cleanup(server.Close)
		return dialTo(server.Listener.Addr().String())
	}
	w.network = newNetwork(listen(w.fault.tls || w.fault.http2))
	return listen(false)
}

// config returns the configuration: that of a user, apart from intervals that no file may have.
func (w *faultWorld) config() *Config {
	scheme, credential := "http", "service_account: {client_id: %s, client_secret: %s}"
	if w.fault.tls || w.fault.http2 {
		scheme = "https"
	}
	if w.fault.apiKey {
		credential = "api_key: {public_key: %s, private_key: %s}"
	}
	config, err := parseConfig("test", fmt.Appendf(nil, `
atlas: {base_url: %s://%s}
credentials:
  default: {%s}
  other: {service_account: {client_id: other, client_secret: %s}}
projects:
  - {id: %s, credential: default, clusters: [{name: prod}]}
  - {id: %s, credential: default, clusters: [{name: prod}]}
  - {id: %s, credential: other, clusters: [{name: prod}]}
`, scheme, atlasHost, fmt.Sprintf(credential, clientID, secret), secret, payments, otherProject, limitedProject))
	if err != nil {
		w.Fatal(err)
	}
	if scheme == "https" {
		authority := newAuthority(w.T)
		config.RootCAs = authority.pool
		w.network.authority = authority
		w.network.certificate.Store(authority.certify(atlasHost, time.Now().Add(time.Hour)))
	}
	if w.fault.lasts > 0 {
		return config
	}
	for i := range config.Targets {
		target := &config.Targets[i]
		target.Interval, target.SweepInterval, target.Timeout = fastInterval, fastInterval, slowTimeout
		if w.fault.slow() {
			target.Interval = slowInterval
		}
		if w.fault.short() && w.fault.reaches(target.List) {
			target.Timeout = fastTimeout
		}
	}
	return config
}

// poll starts to poll, with clients whose polls are counted.
func (w *faultWorld) poll(config *Config, direct dialFunc) {
	elsewhere := *config
	elsewhere.BaseURL, w.exporter.dial = "http://127.0.0.1", direct
	other, err := w.exporter.client(&elsewhere, config.Credentials[1])
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(other.Close)
	w.polls = newPolls()
	clients := map[string]collector.Client{
		"default": countedClient{w.exporter.clients["default"], w.polls}, "other": countedClient{other, w.polls},
	}
	if err := w.exporter.manager.Apply(collector.Setup{Targets: config.Targets, Clients: clients, Concurrency: config.Concurrency}); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() { w.exporter.manager.Run(ctx) })
	w.Cleanup(func() { cancel(); w.polls.release(); w.network.cut(); running.Wait() })
}

// serve serves the exporter's pages.
func (w *faultWorld) serve() {
	handler := w.exporter.handler(false, nil)
	w.fetch = func(path string) string {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		return answer.Body.String()
	}
	if w.fault.lasts == 0 {
		server := httptest.NewServer(handler)
		w.Cleanup(server.Close)
		w.fetch = func(path string) string {
			_, body := fetch(w.T, nil, server.URL+path, "Accept-Encoding", "identity")
			return body
		}
	}
}

// until waits for a condition.
func (w *faultWorld) until(condition func() bool, explain func() string) {
	w.Helper()
	if w.fault.lasts == 0 {
		eventually(w.T, condition, explain)
		return
	}
	for deadline := time.Now().Add(3 * time.Hour); ; time.Sleep(10 * time.Second) {
		synctest.Wait()
		if condition() {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("not within three hours: %s", explain())
		}
	}
}

// polled waits until every list was polled so many times from now on.
func (w *faultWorld) polled(times int) {
	w.Helper()
	begun := map[atlas.List]int{}
	for list := range w.running {
		begun[list] = w.polls.count(list)
	}
	w.until(func() bool {
		for list, n := range begun {
			if len(w.polls.since(list, n)) < times {
				return false
			}
		}
		return true
	}, w.log.String)
}

// shows waits until /metrics has all of the wanted lines, and none of those that begin with a !.
func (w *faultWorld) shows(wanted ...string) {
	w.Helper()
	var metrics string
	has := func(line string) bool {
		text, unwanted := strings.CutPrefix(line, "!")
		return strings.Contains("\n"+metrics, "\n"+text) != unwanted
	}
	w.until(func() bool {
		metrics = w.page("/metrics")
		return !slices.ContainsFunc(wanted, func(line string) bool { return !has(line) })
	}, func() string {
		missing := slices.DeleteFunc(slices.Clone(wanted), has)
		return fmt.Sprintf("missing, or unwanted:\n%s\nin\n%s\nlog:\n%s", strings.Join(missing, "\n"), metrics, w.log.String())
	})
}

// The series of a list, as lines of /metrics.
func common(list atlas.List, name, more string) string {
	return fmt.Sprintf(`mongodbatlas_restore_%s{backup_type="%s",cluster_name="%s",%sproject_id="%s"`, name, list.BackupType, list.ClusterName, more, list.ProjectID)
}

func succeeded(list atlas.List) []string {
	return []string{common(list, "poll_success", "") + "} 1.0\n", "!" + common(list, "poll_error", "")}
}

func failed(list atlas.List, reason collector.Reason) []string {
	lines := []string{common(list, "poll_success", "") + "} 0.0\n"}
	for _, other := range collector.Reasons() {
		line := common(list, "poll_error", "") + fmt.Sprintf(",reason=%q} 1.0\n", other)
		if other != reason {
			line = "!" + line
		}
		lines = append(lines, line)
	}
	return lines
}

// known returns what is said of a list as long as it is not known that its job has failed.
func (w *faultWorld) known(list atlas.List) []string {
	job := common(list, "job_status", fmt.Sprintf("job_id=%q,", w.running[list])) + `,status="in_progress"} 1.0` + "\n"
	if w.old() {
		job = "!" + job
	}
	return []string{common(list, "jobs", `delivery_type="automated",`) + `,status="in_progress"} 1.0` + "\n", job}
}

// old reports whether what is known of the victim is too old for series of single jobs.
func (w *faultWorld) old() bool {
	snapshot := w.exporter.manager.Snapshots()[0]
	return w.fault.lasts > 0 && snapshot.Stale(time.Now())
}

// fresh returns what has to be said once it is known.
func (w *faultWorld) fresh(list atlas.List) []string {
	return append(succeeded(list),
		common(list, "jobs", "delivery_type=\"automated\",")+`,status="failed"} 1.0`+"\n",
		common(list, "job_status", fmt.Sprintf("job_id=%q,", w.running[list]))+`,status="failed"} 1.0`+"\n")
}

// change lets the job of every list fail.
func (w *faultWorld) change() {
	for list, id := range w.running {
		w.sim.ChangeJob(list, id, func(j *atlastest.Job) { j.Takes, j.Outcome = time.Nanosecond, atlastest.Fails })
	}
}

// page returns a page of the exporter, on which nothing secret may be.
func (w *faultWorld) page(path string) string {
	w.Helper()
	page := w.fetch(path)
	w.discreet(path, page)
	return page
}

// discreet wants nothing secret in a text. The answers of the faults are full of it.
func (w *faultWorld) discreet(what, text string) {
	w.Helper()
	for _, mark := range []string{secret, strings.TrimPrefix(basic, "Basic "), "token-", "NEVER-SHOW", ".tar.gz"} {
		if at := strings.Index(text, mark); at >= 0 {
			w.Errorf("%s is in %s: %s", mark, what, text[max(0, at-200):min(len(text), at+200)])
		}
	}
}

// faithful wants only Atlas to have been connected to.
func (w *faultWorld) faithful() {
	w.Helper()
	for _, host := range w.network.hosts() {
		if host != atlasHost {
			w.Errorf("a connection to %s", host)
		}
	}
}

// indiscreet returns a text of everything that must not be shown.
func indiscreet(r *http.Request) string {
	return fmt.Sprintf("%s %s %s", r.Header.Get("Authorization"), secret, link)
}

const honest = "X-Honest" // marks requests that are to be answered as Atlas does

// victims matches requests for the victim's restore jobs.
func victims(r *http.Request) bool {
	return strings.Contains(r.URL.Path, victim.ProjectID+"/clusters") && r.Header.Get(honest) == ""
}

// answer has the victim's lists answered by a handler.
func (w *faultWorld) answer(handler http.HandlerFunc) (end func()) {
	return w.sim.Script(victims, 0, handler)
}

// answerTokens has requests for tokens of the victim's credential answered by a handler, and makes one necessary.
func (w *faultWorld) answerTokens(handler http.HandlerFunc) (end func()) {
	w.revoke()
	return w.sim.Script(func(r *http.Request) bool {
		return atlastest.TokenRequests(r) && r.Header.Get("Authorization") == basic && r.Header.Get(honest) == ""
	}, 0, handler)
}

// answerOf returns what Atlas would say.
func (w *faultWorld) answerOf(r *http.Request) *httptest.ResponseRecorder {
	asked := r.Clone(r.Context())
	asked.Header.Set(honest, "yes")
	asked.Header.Del("Accept-Encoding")
	answer := httptest.NewRecorder()
	w.sim.ServeHTTP(answer, asked)
	return answer
}

// replaced replaces a pattern in an answer.
func replaced(answer *httptest.ResponseRecorder, pattern, by string) *httptest.ResponseRecorder {
	body := regexp.MustCompile(pattern).ReplaceAllLiteralString(answer.Body.String(), by)
	answer.Body.Reset()
	answer.Body.WriteString(body)
	return answer
}

// relay sends an answer.
func relay(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	answer.Header().Del("Content-Length")
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = answer.Body.WriteTo(w)
}

// revoke makes the tokens invalid that the victim's credential has used so far.
func (w *faultWorld) revoke() {
	used := map[string]bool{}
	for _, request := range w.sim.Requests(func(r atlastest.Request) bool { return strings.Contains(r.Path, victim.ProjectID) }) {
		used[request.Header.Get("Authorization")] = true
	}
	w.sim.Script(func(r *http.Request) bool { return used[r.Header.Get("Authorization")] }, 0,
		refusal(http.StatusUnauthorized, "UNEXPECTED_ERROR"))
}

// polls counts the polls of lists, and can hold them up.
type polls struct {
	mu       sync.Mutex
	begun    map[atlas.List]int
	ended    map[atlas.List][]bool // whether they succeeded, in their order
	allowed  map[atlas.List]int    // how many may begin; any number where there is none
	released chan struct{}
}

func newPolls() *polls {
	return &polls{begun: map[atlas.List]int{}, ended: map[atlas.List][]bool{}, allowed: map[atlas.List]int{}, released: make(chan struct{})}
}

// countedClient counts its polls: one begins with each list that is read.
type countedClient struct {
	collector.Client
	polls *polls
}

func (c countedClient) RestoreJobs(ctx context.Context, list atlas.List) iter.Seq2[atlas.Page, error] {
	return func(yield func(atlas.Page, error) bool) {
		if !c.polls.begin(list) {
			return
		}
		var failure error
		defer func() { c.polls.end(list, failure == nil) }()
		for page, err := range c.Client.RestoreJobs(ctx, list) {
			failure = err
			if !yield(page, err) {
				return
			}
		}
	}
}

// begin counts a poll. One that is not allowed waits for the end of the test, and reports false.
func (p *polls) begin(list atlas.List) bool {
	p.mu.Lock()
	p.begun[list]++
	allowed, limited := p.allowed[list]
	held := limited && p.begun[list] > allowed
	p.mu.Unlock()
	if held {
		<-p.released
	}
	return !held
}

func (p *polls) end(list atlas.List, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended[list] = append(p.ended[list], ok)
}

// count returns how many polls of a list have begun.
func (p *polls) count(list atlas.List) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun[list]
}

// since returns how those polls ended that began after so many others.
func (p *polls) since(list atlas.List, others int) []bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ended[list][min(others, len(p.ended[list])):])
}

// allow lets so many more polls of a list begin, and returns how many have.
func (p *polls) allow(list atlas.List, more int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed[list] = p.begun[list] + more
	return p.begun[list]
}

func (p *polls) release() { close(p.released) }

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialTo connects to an address, whatever is asked for.
func dialTo(address string) dialFunc {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// network is what lies between the exporter and Atlas.
type network struct {
	right       dialFunc
	now         atomic.Pointer[dialFunc]
	certificate atomic.Pointer[tls.Certificate]
	authority   *authority

	mu    sync.Mutex
	conns []net.Conn
	cuts  int
	asked map[string]bool // hosts
}

func newNetwork(right dialFunc) *network {
	n := &network{right: right, asked: map[string]bool{}}
	n.now.Store(&right)
	return n
}

func (n *network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.asked[host] = true
	cuts := n.cuts
	n.mu.Unlock()
	conn, err := (*n.now.Load())(ctx, network, address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cuts != cuts { // while it was made
		_ = conn.Close()
	}
	n.conns = append(n.conns, conn)
	return conn, nil
}

func (n *network) hosts() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var hosts []string
	for host := range n.asked {
		hosts = append(hosts, host)
	}
	return hosts
}

// cut ends all connections.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, conn := range n.conns {
		_ = conn.Close()
	}
	n.conns = nil
	n.cuts++
}

// dial has connections made in another way, until end.
func (n *network) dial(other dialFunc) (end func()) {
	n.now.Store(&other)
	n.cut()
	return func() { n.now.Store(&n.right); n.cut() }
}

// present has another certificate presented, until end.
func (n *network) present(certificate *tls.Certificate) (end func()) {
	right := n.certificate.Swap(certificate)
	n.cut()
	return func() { n.certificate.Store(right); n.cut() }
}

// refuse is what the system says where nobody listens, for the network in memory.
func refuse(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// certify returns a certificate for a name.
func (a *authority) certify(name string, until time.Time) *tls.Certificate {
	a.Helper()
	pair := a.issue(name, &x509.Certificate{NotAfter: until, DNSNames: []string{name}})
	return &pair
}

// nameServer is a DNS server that knows every name, as an address of this machine, or answers with an error code.
type nameServer struct {
	conn net.PacketConn
	code atomic.Uint32 // of the error; 0 for none
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn}
	var served sync.WaitGroup
	served.Go(s.serve)
	t.Cleanup(func() { _ = conn.Close(); served.Wait() })
	return s
}

func (s *nameServer) serve() {
	query := make([]byte, 512)
	for {
		n, from, err := s.conn.ReadFrom(query)
		if err != nil {
			return
		}
		if code := s.code.Load(); code != silent {
			_, _ = s.conn.WriteTo(answerName(query[:n], byte(code)), from)
		}
	}
}

// The answers of a nameServer, as RFC 1035 numbers them; the last is none.
const (
	serverFailure = 2
	noSuchName    = 3
	silent        = 255
)

// answerName answers a query of one question, as RFC 1035 says.
func answerName(query []byte, code byte) []byte {
	const header, question, addresses = 12, 4, 1
	end := header
	for query[end] != 0 { // labels, each with its length before it
		end += int(query[end]) + 1
	}
	end++
	kind := query[end+1]
	answer := append([]byte{query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0}, query[header:end+question]...)
	if code == 0 && kind == addresses {
		answer[7] = 1
		answer = append(answer, 0xc0, header, 0, addresses, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
	}
	return answer
}

// dialer resolves names by the server, and connects to a port.
func (s *nameServer) dialer(right dialFunc) dialFunc {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.conn.LocalAddr().String())
	}}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if _, err := resolver.LookupHost(ctx, host); err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
		return right(ctx, network, address)
	}
}

// hijack takes over the connection of a request.
func hijack(w http.ResponseWriter, use func(conn *net.TCPConn)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // not over HTTP/1
	}
	defer func() { _ = conn.Close() }()
	use(conn.(*net.TCPConn))
}

// listen serves connections, each until the handler returns, and returns where.
func listen(t *testing.T, handle func(net.Conn)) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() { defer func() { _ = conn.Close() }(); handle(conn) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); served.Wait() })
	return listener.Addr().String()
}

// endless writes until nobody reads.
func endless(w io.Writer, start, part string) {
	_, err := io.WriteString(w, start)
	for err == nil {
		_, err = io.WriteString(w, part)
	}
}

// reset answers with the beginning of an answer, and resets the connection.
func reset(beginning string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		hijack(w, func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, beginning)
			_ = conn.SetLinger(0)
		})
	}
}

// raw answers with bytes of any kind, and closes the connection.
func raw(answer func(r *http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		hijack(w, func(conn *net.TCPConn) { _, _ = io.WriteString(conn, answer(r)) })
	}
}

// zipped compresses.
func zipped(text string) string {
	var packed strings.Builder
	zip := gzip.NewWriter(&packed)
	_, _ = io.WriteString(zip, text)
	_ = zip.Close()
	return packed.String()
}

// heapPeak calls a function and returns by how much the heap grew meanwhile, garbage included.
func heapPeak(during func()) uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	runtime.GC()
	before := read()
	var peak uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, read())
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	during()
	close(stop)
	<-stopped
	return peak - min(before, peak)
}
