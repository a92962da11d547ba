package atlas_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestToken_IsRequestedOnceForConcurrentRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		expectTokenRequests(t, sim, 0)
		concurrently(20, func() { expectRead(t, client) })
		expectTokenRequests(t, sim, 1)
	})
}

func TestToken_IsRenewedAMinuteBeforeItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		expectRead(t, client)
		for range 58 {
			time.Sleep(time.Minute)
			expectRead(t, client)
		}
		expectTokenRequests(t, sim, 1)
		time.Sleep(time.Minute + time.Second)
		expectRead(t, client)
		expectTokenRequests(t, sim, 2)
	})
}

func TestToken_IsReplacedOnceAfterARevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		expectRead(t, client)
		sim.RevokeTokens()
		concurrently(20, func() { expectRead(t, client) })
		expectTokenRequests(t, sim, 2)
	})
}

func TestToken_IsReplacedAtMostOnceInFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		expectRead(t, client)
		sim.RevokeTokens()
		expectRead(t, client)
		sim.RevokeTokens()
		expectReadError(t, client)
		expectTokenRequests(t, sim, 2)
		time.Sleep(5 * time.Minute)
		expectRead(t, client)
		expectTokenRequests(t, sim, 3)
	})
}

func TestToken_IsNotReplacedIfTheProjectNeverAcceptedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.AddProject("other", "Other")
		client := connect(t, sim, account)
		if _, err := client.Project(withDeadline(t), "other"); err != nil {
			t.Fatal(err)
		}
		unauthorized := atlastest.APIError(401, "", "You are not authorized for this resource.")
		sim.Script(atlastest.PathHas(project), 0, unauthorized)
		for range 50 {
			expectStatus(t, readError(t, client), 401)
			if _, err := client.Project(withDeadline(t), "other"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		expectTokenRequests(t, sim, 1)
	})
}

func TestToken_IsReplacedOnlyOnceIfAProjectStopsAcceptingTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		expectRead(t, client)
		unauthorized := atlastest.APIError(401, "", "You are not authorized for this resource.")
		sim.Script(atlastest.PathHas(project), 0, unauthorized)
		for range 50 {
			expectReadError(t, client)
			time.Sleep(time.Minute)
		}
		expectTokenRequests(t, sim, 2)
	})
}

func TestToken_IsNotReplacedAfterAMembershipError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		client := connect(t, sim, account)
		expectRead(t, client)
		sim.Script(atlastest.PathHas("backup"), 0, atlastest.APIError(401, "USER_CANNOT_ACCESS_GROUP", "No."))
		expectReadError(t, client)
		expectTokenRequests(t, sim, 1)
	})
}

func TestToken_WithAnInvalidLifetimeIsStillReused(t *testing.T) {
	for _, lifetime := range []string{"-5", "0", "3600.7", "1e300", "{}", "null", `"3600"`, `"soon"`} {
		t.Run(lifetime, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				sim.Script(atlastest.TokenRequests, 0, atlastest.Body(200, "application/json",
					`{"access_token":"x","expires_in":`+lifetime+`,"token_type":"Bearer"}`))
				client := connect(t, sim, account)
				for range 50 {
					_ = asAPIError(t, readError(t, client), 401)
				}
				expectTokenRequests(t, sim, 2) // the API rejects the token, and its replacement
			})
		})
	}
}

func TestTokenEndpoint_ThatHangsIsRequestedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(atlastest.TokenRequests, 0, atlastest.Hang())
		client := connect(t, sim, account)
		for range 60 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := readAll(ctx, client, dedicated); !isTimeout(err) {
				t.Fatalf("got %v", err)
			}
			cancel()
		}
		if n := len(tokenRequests(sim)); n > 6 {
			t.Errorf("%d token requests in a minute", n)
		}
	})
}

func TestToken_RejectedBeforeAnyWasAcceptedIsReplacedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(atlastest.TokenRequests, 1, atlastest.Body(200, "application/json",
			`{"access_token":"bad","expires_in":3600,"token_type":"Bearer"}`))
		client := connect(t, sim, account)
		expectRead(t, client)
		expectTokenRequests(t, sim, 2)
	})
}

func TestToken_ThatNoProjectAcceptsIsNotReplacedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(
			atlastest.PathHas("backup"),
			0,
			atlastest.APIError(401, "", "You are not authorized for this resource."),
		)
		client := connect(t, sim, account)
		for range 50 {
			expectReadError(t, client)
			time.Sleep(time.Minute) // beyond the interval between two replacements
		}
		expectTokenRequests(t, sim, 2)
	})
}

func TestTokenEndpoint_RedirectIsNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(atlastest.TokenRequests, 1, atlastest.Redirect("http://elsewhere.test/"))
		expectStatus(t, readError(t, connect(t, sim, account)), 302)
		if n := len(sim.Requests(nil)); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}

func TestTokenEndpoint_RetryAfterIsRespected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(atlastest.TokenRequests, 1, atlastest.RetryAfter("300"))
		client := connect(t, sim, account)
		for range 4 {
			expectReadError(t, client)
			time.Sleep(time.Minute)
		}
		expectTokenRequests(t, sim, 1)
	})
}

func TestTokenEndpoint_RetryAfterIsRespectedForFiveMinutesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(atlastest.TokenRequests, 1, atlastest.RetryAfter("900"))
		client := connect(t, sim, account)
		expectStatus(t, readError(t, client), 429)
		time.Sleep(5*time.Minute - time.Second)
		expectReadError(t, client)
		time.Sleep(31 * time.Second) // with the longest jitter
		expectRead(t, client)
		expectTokenRequests(t, sim, 2)
	})
}

func TestTokenEndpoint_FailureOfARenewalDoesNotAffectATokenThatHasNotExpired(t *testing.T) {
	for name, response := range map[string]http.Handler{
		"429": atlastest.RetryAfter("900"), "500": atlastest.Status(500), "hangs": atlastest.Hang(),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newAtlas()
				client := connect(t, sim, account)
				expectRead(t, client)
				sim.Script(atlastest.TokenRequests, 0, response)
				time.Sleep(59*time.Minute + time.Second)
				expectRead(t, client)
				expectRead(t, client)
				expectTokenRequests(t, sim, 2)
				time.Sleep(time.Minute)
				expectReadError(t, client)
			})
		})
	}
}

// loseConnection closes the connection of a request without a response.
func loseConnection(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_ = conn.Close()
}

func TestTokenEndpoint_IsRequestedAgainIfTheConnectionIsLost(t *testing.T) {
	for times, succeeds := range map[int]bool{1: true, 2: false} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			client := connect(t, sim, account)
			expectRead(t, client)
			sim.Script(atlastest.TokenRequests, times, http.HandlerFunc(loseConnection))
			time.Sleep(61 * time.Minute)
			if err := readError(t, client); succeeds != (err == nil) {
				t.Errorf("lost %d times: %v", times, err)
			}
			synctest.Wait() // until the simulator has recorded the lost requests
			expectTokenRequests(t, sim, 3)
		})
	}
}

func TestTokenEndpoint_FailuresAreCachedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		events := &eventCounter{}
		wrong := atlas.Credential{
			Name: "c", ServiceAccount: &atlas.ServiceAccount{ClientID: "mdb_sa_id_1", ClientSecret: "wrong"},
		}
		client := connectWith(t, sim, atlas.Options{Credential: wrong, Observer: events})
		for range 60 {
			apiErr := asAPIError(t, readError(t, client), 401)
			if !apiErr.FromTokenEndpoint() || apiErr.Code != "invalid_client" ||
				apiErr.Detail != "Invalid credentials provided." {
				t.Fatalf("%#v", apiErr)
			}
			time.Sleep(time.Minute)
		}
		if n := len(tokenRequests(sim)); n > 20 {
			t.Errorf("%d token requests in an hour, want at most 20", n)
		}
		if events.accepted.Load() != 0 || events.rejected.Load() == 0 {
			t.Errorf("credential accepted %d and rejected %d times", events.accepted.Load(), events.rejected.Load())
		}
	})
}

func TestTokenEndpoint_LostConnectionIsANetworkError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged strings.Builder
		log.SetOutput(&logged) // net/http logs if a transport returns both a response and an error
		defer log.SetOutput(os.Stderr)
		sim := newAtlas()
		sim.Script(atlastest.TokenRequests, 1, atlastest.BreakOff())
		if err := readError(t, connect(t, sim, account)); !isNetwork(err) || logged.Len() > 0 {
			t.Errorf("%v, log: %s", err, logged.String())
		}
	})
}

func TestTokenEndpoint_ResponseWithoutATokenIsMalformedAndRetried(t *testing.T) {
	for _, body := range []string{`{}`, `<html>`, `{"access_token":5}`, `{"error":"odd"}`, `{"access_token":"a\nb"}`} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(atlastest.TokenRequests, 1, atlastest.Body(200, "application/json", body))
			client := connect(t, sim, account)
			err := readError(t, client)
			malformed, ok := errors.AsType[*atlas.MalformedError](err)
			if !ok || malformed.Operation != atlas.OperationToken {
				t.Errorf("%s: %v", body, err)
			}
			time.Sleep(time.Minute)
			expectRead(t, client)
		})
	}
}
