package collector

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/atlas/atlastest"
	"atlas-restore-exporter/collector/poll"
)

func TestStateCollector_AlwaysExposesOneShardWhileTheConfigurationChanges(t *testing.T) {
	manager, err := poll.NewManager(poll.Config{}, NewExporter(BuildInfo{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewStateCollector(manager, NewExporter(BuildInfo{}), Process{}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20_000 {
			if err := manager.Apply(poll.Config{Shard: poll.Shard{Index: i % 3, Count: 3}}); err != nil {
				t.Error(err)
			}
		}
	}()
	for changing := true; changing; {
		select {
		case <-done:
			changing = false
		default:
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, family := range families {
			if family.GetName() == familyShards.Name {
				found = len(family.GetMetric())
			}
		}
		if found != 1 {
			t.Fatalf("%d series of shards, want 1", found)
		}
	}
}

func TestStateCollector_CountsTheTargetsOfEachBackupType(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(poll.Config{Targets: targets(prod), Discoveries: []poll.Rule{allClusters()}})
		w.manager.DiscoverOnce(t.Context())
		w.expectSamples(familyTargets, `{backup_type="collection"} 0`, `{backup_type="dedicated"} 2`,
			`{backup_type="flex"} 3`, `{backup_type="legacy"} 0`, `{backup_type="serverless"} 0`)
	})
}

func TestStateCollector_ExposesTheShardOfTheActiveConfiguration(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.expectSamples(familyShards, `{shard="0"} 1`)
		w.apply(poll.Config{Shard: poll.Shard{Index: 2, Count: 3}})
		w.expectSamples(familyShards, `{shard="2"} 3`)
	})
}

// expectDiscoveries expects a value of discovery_success for each list, by project ID.
func (w *world) expectDiscoveries(want map[string]string) {
	w.Helper()
	samples := w.samples(familyDiscoverySuccess)
	if len(samples) != len(want) {
		w.Errorf("%d series of discovery_success, want %d: %s", len(samples), len(want), samples)
	}
	for projectID, value := range want {
		sample := `{credential="default",project_id="` + projectID + `"} ` + value
		if !strings.Contains(strings.Join(samples, "\n"), sample) {
			w.Errorf("no %s in %s", sample, samples)
		}
	}
}

func TestStateCollector_ExposesTheSuccessOfEachDiscovery(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(poll.Config{Discoveries: []poll.Rule{allClusters()}})
		defer w.run()()
		w.expectDiscoveries(map[string]string{"": "1", project: "1", analytics: "1", sandbox: "1"})
		found := w.samples(familyDiscoveryTime)
		denied := atlastest.APIError(403, "ACCESS_FORBIDDEN", "No.")
		allow := w.sim.Script(atlastest.PathHas(analytics+"/flexClusters"), 0, denied)
		time.Sleep(5*time.Minute + time.Second)
		w.expectDiscoveries(map[string]string{"": "1", project: "1", analytics: "0", sandbox: "1"})
		for i, sample := range w.samples(familyDiscoveryTime) {
			if kept := sample == found[i]; kept != strings.Contains(sample, analytics) {
				t.Errorf("time of the last success: %s, was %s", sample, found[i])
			}
		}
		allow()
		time.Sleep(time.Minute)
		w.expectDiscoveries(map[string]string{"": "1", project: "1", analytics: "1", sandbox: "1"})
	})
}

func TestStateCollector_ExposesAFailedFirstDiscoveryWithoutTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		isProjectList := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/groups") }
		w.sim.Script(isProjectList, 0, atlastest.Status(500))
		w.apply(poll.Config{Discoveries: []poll.Rule{allClusters()}})
		w.manager.DiscoverOnce(t.Context())
		w.expectDiscoveries(map[string]string{"": "0"})
		w.expectSamples(familyDiscoveryTime)
	})
}

func TestStateCollector_DropsDiscoveriesOfRemovedProjectsAndRules(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.apply(poll.Config{Discoveries: []poll.Rule{allClusters()}})
		defer w.run()()
		w.sim.RemoveProject(sandbox)
		time.Sleep(11 * time.Minute)
		w.expectDiscoveries(map[string]string{"": "1", project: "1", analytics: "1"})
		w.apply(poll.Config{Targets: targets(prod)})
		synctest.Wait()
		w.expectDiscoveries(nil)
		w.expectSamples(familyDiscoveryTime)
	})
}

func TestStateCollector_ExposesARejectedCredential(t *testing.T) {
	for _, test := range []struct {
		name     string
		response http.Handler
		want     string
	}{
		{"denied", atlastest.APIError(403, "ACCESS_FORBIDDEN", "No."), "1"},
		{"rejected", atlastest.APIError(401, "", "No."), "0"},
		{"not a member of the project", atlastest.APIError(401, "NOT_IN_GROUP", "No."), "1"},
		{"unavailable", atlastest.Status(503), "1"},
	} {
		runInBubble(t, test.name, func(t *testing.T) {
			w := newWorld(t, prod)
			w.sim.Script(atlastest.PathHas("/groups/"), 0, test.response)
			w.poll()
			w.expectSamples(familyCredentialSuccess, `{credential="default"} `+test.want)
		})
	}
}

func TestStateCollector_ExposesNoSuccessOfACredentialBeforeTheFirstResponse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.expectSamples(familyCredentialSuccess)
		w.expectSamples(familyTokenRequests, `{code="200",credential="default"} 0`)
		unavailable := w.sim.Script(atlastest.PathHas("/token"), 0, atlastest.Status(503))
		w.poll()
		w.expectSamples(familyCredentialSuccess)
		unavailable()
		time.Sleep(time.Hour)
		w.poll()
		w.expectSamples(familyCredentialSuccess, `{credential="default"} 1`)
	})
}

func TestStateCollector_ExposesACredentialWithAChangedSecretAsRejected(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.poll()
		w.expectSamples(familyCredentialSuccess, `{credential="default"} 1`)
		w.sim.AddServiceAccount("id", "renewed")
		w.sim.RevokeTokens()
		w.poll()
		w.expectSamples(familyCredentialSuccess, `{credential="default"} 0`)
		w.expectSamples(familyTokenRequests, `{code="200",credential="default"} 1`, `{code="401",credential="default"} 1`)
	})
}

func TestStateCollector_KeepsCredentialsApart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newOrganization(t)
		w.sim.AddServiceAccount("other", "secret", analytics)
		named, rule := allClusters(), allClusters()
		named.Target.ProjectID, rule.Target.Credential = project, "other"
		w.apply(poll.Config{
			Discoveries: []poll.Rule{named, rule},
			Clients:     map[string]poll.Client{"default": w.client, "other": w.newClient("other", "other")},
		})
		defer w.run()()
		w.sim.AddServiceAccount("other", "renewed", analytics)
		w.sim.RevokeTokens()
		time.Sleep(10 * time.Minute)
		w.expectSamples(familyCredentialSuccess, `{credential="default"} 1`, `{credential="other"} 0`)
	})
}

func TestStateCollector_KeepsCredentialsOfTheActiveConfigurationIfAnotherIsRejected(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.poll()
		rejected := w.sim.Script(atlastest.PathHas("/groups/"), 0, atlastest.APIError(401, "", "No."))
		defer rejected()
		w.poll()
		before := w.expose(familyCredentialSuccess.Name, familyTokenRequests.Name)
		other := target(prod)
		other.Credential = "missing"
		err := w.manager.Apply(poll.Config{
			Targets: []poll.Target{other}, Clients: map[string]poll.Client{"other": w.newClient("other", "id")},
		})
		if err == nil {
			t.Fatal("a configuration without a client was applied")
		}
		if after := w.expose(familyCredentialSuccess.Name, familyTokenRequests.Name); after != before {
			t.Errorf("got\n%s\nwant\n%s", after, before)
		}
	})
}

func TestStateCollector_DropsRemovedCredentialsDespiteRequestsInFlight(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		other := target(prod)
		other.Credential = "other"
		w.apply(poll.Config{
			Targets: []poll.Target{other}, Clients: map[string]poll.Client{"other": w.newClient("other", "id")},
		})
		w.exporter.Token("default", 200)
		w.exporter.Credential("default", false)
		w.expectSamples(familyCredentialSuccess)
		w.expectSamples(familyTokenRequests, `{code="200",credential="other"} 0`)
	})
}

func TestStateCollector_ExposesRateLimitsOfPolledProjectsOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		events := atlas.List{ProjectID: analytics, ClusterName: "events", BackupType: atlas.Dedicated}
		w := newWorld(t, prod, team, events)
		w.sim.AddProject(analytics, "Analytics")
		w.sim.AddCluster(analytics, "events", atlastest.DedicatedCluster)
		w.poll()
		const payments, analysis = 5, 3 // two or one list of jobs, as many lists of clusters, and the project
		if n := len(w.samples(familyRateLimit)); n != payments+analysis {
			t.Errorf("%d series of rate limits, want %d: %s", n, payments+analysis, w.samples(familyRateLimit))
		}
		w.apply(poll.Config{Targets: targets(prod)})
		samples := w.samples(familyRateLimit)
		if len(samples) != payments || strings.Contains(strings.Join(samples, ""), analytics) {
			t.Errorf("rate limits of one project: %s", samples)
		}
	})
}

func TestStateCollector_ExposesTheSettingsOfTheActiveConfiguration(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.apply(poll.Config{Targets: targets(prod), Shard: poll.Shard{Index: 1, Count: 2}})
		w.expectSamples(familyExporterInfo, `{exporter="payments",shard="1"} 1`)
		w.expectSamples(familyWebInfo,
			`{atlas_url="https://cloud.mongodb.com",external_url="https://tools.example/restores"} 1`)
		w.state.process.Settings = func() Settings { return Settings{Name: "other"} }
		w.expectSamples(familyExporterInfo, `{exporter="other",shard="1"} 1`)
		w.expectSamples(familyWebInfo, `{atlas_url="",external_url=""} 1`)
	})
}

func TestStateCollector_ExposesTheExpiryOfCredentialsInUseOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.expectSamples(familyCredentialExpiry, `{credential="default"} 9.598176e+08`)
		w.state.process.Settings = func() Settings { return Settings{} }
		w.expectSamples(familyCredentialExpiry)
	})
}

// fakeState is a StateSource with a given readiness and given inventories.
type fakeState struct {
	*poll.Manager
	ready       bool
	inventories []poll.DiscoveryStatus
}

func (f *fakeState) Ready() bool { return f.ready }

func (f *fakeState) Inventories() []poll.DiscoveryStatus { return f.inventories }

func TestStateCollector_ExposesWhetherTheExporterIsReady(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		source := &fakeState{Manager: w.manager}
		w.state = NewStateCollector(source, w.exporter, Process{})
		w.expectSamples(familyReady, " 0")
		source.ready = true
		w.expectSamples(familyReady, " 1")
	})
}

func TestStateCollector_ExposesTheSuccessOfEachInventory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.state = NewStateCollector(&fakeState{Manager: w.manager, inventories: []poll.DiscoveryStatus{
			{Credential: "default", ProjectID: analytics, Err: &atlas.Error{Status: 403}},
			{Credential: "other", ProjectID: project},
		}}, w.exporter, Process{})
		w.expectSamples(familyInventorySuccess, `{credential="default",project_id="`+analytics+`"} 0`,
			`{credential="other",project_id="`+project+`"} 1`)
		w.expectSamples(familyDiscoverySuccess)
	})
}

func TestStateCollector_ExposesMalformedFieldsOfBackupTypesInUse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		if exposed := w.expose(familyMalformedFields.Name); !strings.Contains(exposed, `{field="dedicated_finished_at"} 0`) ||
			strings.Contains(exposed, `"flex_`) {
			t.Errorf("not the fields of dedicated jobs: %s", exposed)
		}
		w.exporter.MalformedField("flex_status")
		w.exporter.MalformedField("flex_status")
		if exposed := w.expose(familyMalformedFields.Name); !strings.Contains(exposed, `{field="flex_status"} 2`) {
			t.Errorf("not counted in\n%s", exposed)
		}
	})
}

func TestExporter_CountsMalformedJobsMalformedFieldsAndUnknownValues(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, prod)
		w.sim.AddJobs(prod,
			atlastest.Job{Takes: time.Minute},
			atlastest.Job{Extra: map[string]any{"finishedAt": "yesterday"}},
			atlastest.Job{Extra: map[string]any{"id": nil}},
			atlastest.Job{Extra: map[string]any{"deliveryType": "carrier pigeon"}},
		)
		for range 3 {
			w.poll()
		}
		exposed := w.expose(familyMalformedJobs.Name, familyMalformedFields.Name, familyUnknownValues.Name)
		for _, want := range []string{
			`malformed_jobs_total{backup_type="dedicated"} 3`, `malformed_fields_total{field="dedicated_finished_at"} 3`,
			`unknown_values_total{field="dedicated_delivery_type"} 3`,
		} {
			if !strings.Contains(exposed, want) {
				t.Errorf("no %s in\n%s", want, exposed)
			}
		}
	})
}

func TestExporter_ExposesWhetherTheLastReloadSucceeded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		loaded := w.samples(familyReloadTime)
		w.expectSamples(familyReloadSuccess, " 1")
		time.Sleep(time.Hour)
		w.exporter.Reloaded(false)
		w.expectSamples(familyReloadSuccess, " 0")
		w.expectSamples(familyReloadTime, loaded...)
		w.exporter.Reloaded(true)
		w.expectSamples(familyReloadSuccess, " 1")
		if w.samples(familyReloadTime)[0] == loaded[0] {
			t.Error("the time of the last success is that of the first load")
		}
	})
}

func TestExporter_BoundsTheNumberOfStatusCodes(t *testing.T) {
	for status, want := range map[int]string{
		0: "error", 99: "error", 100: "100", 200: "200", 599: "599", 600: "error", -1: "error",
	} {
		if got := codeLabel(status); got != want {
			t.Errorf("code of status %d: got %s, want %s", status, got, want)
		}
	}
}
