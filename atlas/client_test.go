package atlas_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"atlas-restore-exporter/atlas"
)

func TestNewClient_RejectsInvalidOptions(t *testing.T) {
	both := atlas.Credential{ServiceAccount: account.ServiceAccount, APIKey: key.APIKey}
	for _, options := range []atlas.Options{
		{Credential: account},
		{BaseURL: "cloud.mongodb.com", Credential: account},
		{BaseURL: "ftp://x", Credential: account},
		{BaseURL: "https://x"},
		{BaseURL: "https://x", Credential: both},
	} {
		if client, err := atlas.NewClient(options); err == nil {
			t.Errorf("%+v: no error, %v", options, client)
		}
	}
}

func TestClient_ReusesOneConnectionPerConcurrentRequest(t *testing.T) {
	const concurrency = 8
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(newAtlas())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client, err := atlas.NewClient(atlas.Options{BaseURL: server.URL, Credential: account, Concurrency: concurrency})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 10 {
		concurrently(concurrency, func() { expectRead(t, client) })
	}
	if n := opened.Load(); n > concurrency+1 {
		t.Errorf("%d connections for %d requests, %d concurrent", n, 10*concurrency, concurrency)
	}
}

// newTLSServer returns a simulated API with a certificate, and a function that reads a list from it.
func newTLSServer(t *testing.T) (server *httptest.Server, read func(atlas.Options) error) {
	t.Helper()
	server = httptest.NewUnstartedServer(newAtlas())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, func(options atlas.Options) error {
		options.Credential = account
		client, err := atlas.NewClient(options)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		_, err = readAll(t.Context(), client, dedicated)
		return err
	}
}

func TestClient_TrustsOnlyTheGivenAuthorities(t *testing.T) {
	server, read := newTLSServer(t)
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if err := read(atlas.Options{BaseURL: server.URL, RootCAs: roots}); err != nil {
		t.Errorf("trusted authority: %v", err)
	}
	err := read(atlas.Options{BaseURL: server.URL})
	if !isNetwork(err) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("unknown authority: %v", err)
	}
}

func TestClient_RejectsACertificateForAnotherName(t *testing.T) {
	server, read := newTLSServer(t)
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	err := read(atlas.Options{BaseURL: "https://wrong.test", RootCAs: roots, DialContext: dial})
	if !isNetwork(err) || !strings.Contains(err.Error(), "wrong.test") {
		t.Error(err)
	}
}
