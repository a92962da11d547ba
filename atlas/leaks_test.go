package atlas_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
)

func TestError_ContainsNoPartOfALink(t *testing.T) {
	for _, detail := range []string{
		"see https%3A%2F%2Fhost%2FNEVER-SHOW now",
		`see https:\/\/host\/NEVER-SHOW now`,
		"see //restore-1.mongodb.net/NEVER-SHOW now",
		"see restore-1.mongodb.net:27017/NEVER-SHOW now",
		"see https://restore-1.mongodb.net/x\nNEVER-SHOW now",
		"see /x?sig=NEVER-SHOW now",
		"see NEVER-SHOW.tar.gz now",
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(atlastest.PathHas("restoreJobs"), 0, atlastest.APIError(400, "X", detail))
			if got := readError(t, connect(t, sim, account)).Error(); got != "atlas api returned 400 X: see <link> now" {
				t.Errorf("%q became %q", detail, got)
			}
		})
	}
}

func TestError_DoesNotQuoteAMalformedResponse(t *testing.T) {
	for _, response := range []string{
		"NEVER-SHOW.x.tar\"],\"id\":\"1\"}]}\r\n\r\n",
		"HTTP/1.1 restore-1.mongodb.net/NEVER-SHOW?sig=1 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nNEVER-SHOW\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := newAtlas()
			sim.Script(
				atlastest.PathHas("restoreJobs"),
				0,
				http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						panic(err)
					}
					_, _ = io.WriteString(conn, response)
					_ = conn.Close()
				}),
			)
			if err := readError(t, connect(t, sim, account)); strings.Contains(err.Error(), "NEVER") {
				t.Errorf("%q is quoted: %v", response, err)
			}
		})
	}
}

func TestRestoreJobs_ReplaceSecretsThatTheResponseEchoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newAtlas()
		sim.Script(atlastest.PathHas("restoreJobs"), 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			_, _ = io.WriteString(w, `{"results":[{"id":"32b6e34b3d91647abb20e7b8","snapshotId":"`+token+
				`","targetClusterName":"`+secret+`","deliveryType":"automated"}]}`)
		}))
		jobs, err := readAll(withDeadline(t), connect(t, sim, account), dedicated)
		if err != nil || len(jobs) != 1 {
			t.Fatalf("%v, %v", jobs, err)
		}
		if jobs[0].SnapshotID != "_redacted_" || jobs[0].TargetClusterName != "_redacted_" {
			t.Errorf("%q, %q", jobs[0].SnapshotID, jobs[0].TargetClusterName)
		}
	})
}

// A token that was renewed, and a secret that was rotated, may still be valid.
func TestRestoreJobs_ReplaceEarlierTokensAndSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, token := newAtlas(), ""
		sim.Script(atlastest.PathHas("restoreJobs"), 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if token == "" {
				token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			}
			_, _ = io.WriteString(w, `{"results":[{"id":"32b6e34b3d91647abb20e7b8","snapshotId":"`+token+
				`","targetClusterName":"`+secret+`","deliveryType":"automated"}]}`)
		}))
		expectRedacted := func(client *atlas.Client) {
			t.Helper()
			jobs, err := readAll(withDeadline(t), client, dedicated)
			if err != nil || len(jobs) != 1 || jobs[0].SnapshotID != "_redacted_" || jobs[0].TargetClusterName != "_redacted_" {
				t.Errorf("%v, %+v", err, jobs)
			}
		}
		client := connect(t, sim, account)
		expectRedacted(client)
		time.Sleep(59*time.Minute + time.Second)
		expectRedacted(client)
		expectTokenRequests(t, sim, 2)
		rotated := atlas.Credential{Name: account.Name, ServiceAccount: &atlas.ServiceAccount{
			ClientID: account.ServiceAccount.ClientID, ClientSecret: "mdb_sa_sk_another-secret-of-the-account",
		}}
		sim.AddServiceAccount(rotated.ServiceAccount.ClientID, rotated.ServiceAccount.ClientSecret.Reveal())
		expectRedacted(connectWith(t, sim, atlas.Options{Credential: rotated, Previous: client}))
	})
}
