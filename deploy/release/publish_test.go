package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// fakes are programs that record their arguments and succeed as the real ones do.
var fakes = map[string]string{
	"docker": `for arg; do case $arg in --metadata-file=*)
  printf '{\n  "containerimage.digest": "%s",\n  "image.name": "x"\n}\n' "$DIGEST" >"${arg#*=}"
esac; done`,
	"helm": `case $1 in
package) for arg; do case $arg in --destination=*) touch "${arg#*=}/chart.tgz" ;; esac; done ;;
push) printf 'Pushed: x\nDigest: %s\n' "$DIGEST" ;;
esac`,
	"cosign": "",
}

// publish runs a copy of the script in a repository with the tag v1.2.3, and returns its output and the recorded
// arguments.
func publish(t *testing.T, digest string, args ...string) (output, recorded string, err error) {
	t.Helper()
	dir, bin := t.TempDir(), t.TempDir()
	script, record := filepath.Join(dir, "deploy/release/publish.sh"), filepath.Join(bin, "record")
	if err := os.MkdirAll(filepath.Dir(script), 0o700); err != nil {
		t.Fatal(err)
	}
	writeProgram(t, script, string(readFile(t, "publish.sh")))
	for name, fake := range fakes {
		writeProgram(t, filepath.Join(bin, name), "#!/bin/bash\necho "+name+` "$@" >>"$RECORD"`+"\n"+fake+"\n")
	}
	for _, arguments := range []string{
		"init --quiet", "-c user.name=a -c user.email=a@example.net commit --quiet --allow-empty --message=x", "tag v1.2.3",
	} {
		git := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, strings.Fields(arguments)...)...)
		if text, err := git.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", arguments, err, text)
		}
	}
	var stdout, stderr strings.Builder
	command := exec.CommandContext(t.Context(), script, args...)
	command.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "RECORD="+record, "DIGEST="+digest)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err = command.Run(); err != nil {
		return stderr.String(), "", err
	}
	return stdout.String(), string(readFile(t, record)), nil
}

func writeProgram(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestPublish_SignsTheDigestOfTheRegistry(t *testing.T) {
	const image, chart = "ghcr.io/example/exporter", "ghcr.io/example/charts/atlas-restore-exporter"
	for kind, test := range map[string]struct {
		address string
		wanted  []string
	}{
		"image": {image, []string{
			"docker buildx build --platform=linux/amd64,linux/arm64 --file=deploy/docker/Dockerfile --build-arg=VERSION=v1.2.3",
			" --sbom=true --provenance=mode=max --tag=" + image + ":v1.2.3 --push ",
		}},
		"chart": {chart, []string{
			"helm package deploy/kubernetes/chart --version=1.2.3 --app-version=v1.2.3 ",
			"chart.tgz oci://ghcr.io/example/charts\n",
		}},
	} {
		output, recorded, err := publish(t, digest, kind, test.address, "v1.2.3")
		if err != nil || output != "digest="+digest+"\n" {
			t.Errorf("%s: output %q, error %v", kind, output, err)
		}
		for _, want := range append(test.wanted, "\ncosign sign --yes --recursive "+test.address+"@"+digest+"\n") {
			if !strings.Contains(recorded, want) {
				t.Errorf("%s: %q is not in\n%s", kind, want, recorded)
			}
		}
	}
}

func TestPublish_StopsBeforeItSigns(t *testing.T) {
	for want, args := range map[string][]string{
		`publish: tag 1.2.3: must have the form v1.2.3`:            {digest, "image", "ghcr.io/x/y", "1.2.3"},
		`publish: tag v1.2.4 isn't checked out`:                    {digest, "image", "ghcr.io/x/y", "v1.2.4"},
		`publish: binary: must be image or chart`:                  {digest, "binary", "ghcr.io/x/y", "v1.2.3"},
		`publish: the registry returned the digest "sha256:short"`: {"sha256:short", "chart", "ghcr.io/x/y", "v1.2.3"},
	} {
		output, _, err := publish(t, args[0], args[1:]...)
		if err == nil || !strings.HasSuffix(output, want+"\n") {
			t.Errorf("%v: error %v, output %q, want %q", args, err, output, want)
		}
	}
}
