package server

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// webConfigInterval is the time between two reads of the web configuration and of the files that it names.
const webConfigInterval = 5 * time.Second

// webConfig is the active web configuration: the last valid one. The files are read in the background and never by a
// connection, so that a file that is invalid, or whose file system hangs, affects no client.
type webConfig struct {
	path   string
	logger *slog.Logger
	report func(err error) // called after each change of the result
	active atomic.Pointer[webState]
	last   string // text of the last error; used by refresh only
}

// webState is the settings together with the state that depends on them.
type webState struct {
	*webSettings
	limiter *rate.Limiter
	logins  sync.Map // digests of logins that were accepted, because bcrypt takes long
	checks  sync.Mutex
}

func newWebConfig(path string, logger *slog.Logger, report func(err error)) (*webConfig, error) {
	settings, err := loadWebSettings(path)
	if err != nil {
		return nil, err
	}
	c := &webConfig{path: path, logger: logger, report: report}
	c.use(settings)
	return c, nil
}

func (c *webConfig) use(settings *webSettings) {
	state := &webState{webSettings: settings}
	if interval := settings.RateLimiterConfig.Interval; interval != 0 {
		state.limiter = rate.NewLimiter(rate.Every(interval), settings.RateLimiterConfig.Burst)
	}
	c.active.Store(state)
}

// run refreshes the settings until ctx ends.
func (c *webConfig) run(ctx context.Context) {
	ticker := time.NewTicker(webConfigInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.refresh()
		}
	}
}

// refresh reads the files again. If they are invalid, it logs and reports that once, and keeps the active settings.
func (c *webConfig) refresh() {
	active := c.active.Load()
	settings, err := loadWebSettings(c.path)
	if err == nil {
		err = active.replaceableBy(settings)
	}
	if err == nil && !reflect.DeepEqual(settings.Config, active.Config) {
		c.use(settings)
		c.logger.Info("web configuration changed")
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == c.last {
		return
	}
	c.last = text
	c.report(err)
	if err != nil {
		c.logger.Error("web configuration is invalid, keeping the active one", slog.String("err", text))
	} else {
		c.logger.Info("web configuration is valid again")
	}
}

// serve serves all listeners until the server is shut down.
func (c *webConfig) serve(server *http.Server, listeners []net.Listener) error {
	active := c.active.Load()
	serve := server.Serve
	if active.tls != nil {
		if !active.HTTPConfig.HTTP2 {
			server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
		}
		server.TLSConfig = &tls.Config{
			MinVersion: tls.VersionTLS12, // replaced, like everything else, by the settings of each connection
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				config := c.active.Load().tls.Clone()
				if config.NextProtos = []string{"http/1.1"}; server.TLSNextProto["h2"] != nil {
					config.NextProtos = []string{"h2", "http/1.1"}
				}
				return config, nil
			},
		}
		serve = func(listener net.Listener) error { return server.ServeTLS(listener, "", "") }
	}
	server.Handler = c.protect(server.Handler)
	return serveAll(listeners, serve, c.logger, active.tls != nil)
}

// serveAll serves all listeners until the server is shut down.
func serveAll(listeners []net.Listener, serve func(net.Listener) error, logger *slog.Logger, secure bool) error {
	var group errgroup.Group
	for _, listener := range listeners {
		logger.Info("Listening on", slog.String("address", listener.Addr().String()), slog.Bool("tls", secure))
		group.Go(func() error {
			if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	return group.Wait()
}

// protect applies the rate limit, the headers, and basic authentication of the active settings.
func (c *webConfig) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		state := c.active.Load()
		for name, value := range state.HTTPConfig.Header {
			w.Header().Set(name, value)
		}
		if state.limiter != nil && !state.limiter.Allow() {
			http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
			return
		}
		if !state.authenticate(r) {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// unknownUser is the hash that the password of an unknown user is compared with, so that the time of the response
// doesn't depend on whether the user exists. It is the hash of random bytes that were not kept.
const unknownUser = "$2a$10$UqRSlQdn/F5tnStT6JFWcuta1AvFbDlpTctp7FpgiedG0EBcQD6r."

// authenticate reports whether a request contains a valid login, or none is required. Only accepted logins are
// remembered: with rejected ones, an attacker could displace those of Prometheus.
func (s *webState) authenticate(r *http.Request) bool {
	if len(s.Users) == 0 {
		return true
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return false
	}
	hash, known := s.Users[user]
	login := digest(user, password)
	if _, accepted := s.logins.Load(login); accepted {
		return true
	}
	if !known {
		hash = unknownUser
	}
	s.checks.Lock() // one at a time, because each takes a lot of CPU
	defer s.checks.Unlock()
	if r.Context().Err() != nil { // the client has not waited
		return false
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil || !known {
		return false
	}
	s.logins.Store(login, true)
	return true
}

// digest returns a hash of texts that differs for different lists of texts.
func digest(texts ...string) [sha256.Size]byte {
	var all []byte
	for _, text := range texts {
		all = binary.AppendUvarint(all, uint64(len(text)))
		all = append(all, text...)
	}
	return sha256.Sum256(all)
}
