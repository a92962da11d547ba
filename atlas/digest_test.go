package atlas_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestDigest_ReusesTheChallengeUntilItsNonceExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.NonceLife = time.Minute
		client := connect(t, sim, key)
		for range 10 {
			expectRead(t, client)
			time.Sleep(40 * time.Second)
		}
		// The first request has no nonce, and then the nonce has expired at every second request.
		if n := len(requestsWithStatus(sim, 401)); n != 5 {
			t.Errorf("%d challenges, want 5", n)
		}
	})
}

func TestDigest_RetriesIfTwoNoncesInARowAreStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, key)
		expectRead(t, client)
		const challenge = `Digest realm="MMS Public API", domain="", nonce="gone", algorithm=MD5, qop="auth", stale=true`
		stale := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
		}
		sim.Script(atlastest.PathHas(project), 2, http.HandlerFunc(stale))
		expectRead(t, client)
	})
}

func TestDigest_ConcurrentRequestsAllSucceedIfTheNonceHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.NonceLife = time.Minute
		client := connect(t, sim, key)
		for range 3 {
			concurrently(20, func() { expectRead(t, client) })
			time.Sleep(2 * time.Minute)
		}
	})
}

func TestDigest_ReturnsTheErrorResponseIfTheKeyIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := atlas.Credential{APIKey: &atlas.APIKey{PublicKey: "abcdefgh", PrivateKey: "wrong"}}
		apiErr := asAPIError(t, readError(t, connect(t, newAtlas(), wrong)), 401)
		if apiErr.Detail != "You are not authorized for this resource." {
			t.Error(apiErr)
		}
	})
}

func TestDigest_ReturnsTheErrorResponseIfTheChallengeIsMissingOrInvalid(t *testing.T) {
	for _, challenge := range []string{
		"", "Basic realm=x", `Digest nonce="`, `Digest realm="x", nonce="y", algorithm=ODD`,
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			respond := func(w http.ResponseWriter, r *http.Request) {
				if challenge != "" {
					w.Header().Set("WWW-Authenticate", challenge)
				}
				atlastest.APIError(401, "USER_CANNOT_ACCESS_GROUP", "Not yours.").ServeHTTP(w, r)
			}
			sim.Script(atlastest.PathHas("restoreJobs"), 0, http.HandlerFunc(respond))
			apiErr := asAPIError(t, readError(t, connect(t, sim, key)), 401)
			if !apiErr.Membership() || apiErr.Detail != "Not yours." {
				t.Errorf("%q: %v", challenge, apiErr)
			}
		})
	}
}
