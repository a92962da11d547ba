package faults

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"atlas-restore-exporter/internal/testutil"
)

// documentation is the file that contains the tables of faults.
const documentation = "../../docs/failure-modes.md"

// situation is a fault that the matrix can't produce, because it is one of the exporter's own host or takes a special
// world. Each is a row of the second table in the documentation.
type situation struct {
	name, effect string
	folder, test string // of the test that produces the fault
}

var situations = []situation{
	{
		"GOAWAY, or a restart of the server or proxy", "none; the exporter connects again within the poll",
		"atlas", "TestClient_ConnectsAgainAfterGOAWAY",
	},
	{
		"an HTTP/2 connection that stays open but completes no responses, to any request or to those for one target",
		"the poll fails; the next one uses a new connection (at most five at once, then one a minute)",
		"atlas", "TestClient_ReplacesAnHTTP2ConnectionThatStaysOpenButFails",
	},
	{
		"the connection is lost at a token request", "none; the request is repeated once",
		"atlas", "TestTokenEndpoint_IsRequestedAgainIfTheConnectionIsLost",
	},
	{
		"an access token can't be renewed", "none until the token expires",
		"atlas", "TestTokenEndpoint_FailureOfARenewalDoesNotAffectATokenThatHasNotExpired",
	},
	{
		"the first access token of a credential is rejected", "none; the token is replaced once",
		"atlas", "TestToken_RejectedBeforeAnyWasAcceptedIsReplacedOnce",
	},
	{
		"a response of many megabytes in a few fields", "the memory grows only by the size of the labels",
		"atlas", "TestDecodePage_KeepsOnlyCopiesOfHugeFields",
	},
	{
		"one list of clusters that contradicts its own `totalCount`, or lacks clusters",
		"new clusters are added immediately; missing clusters are removed after two consistent lists",
		"collector/poll", "TestInventory_AcceptsOnlyAdditionsOfInconsistentReads",
	},
	{
		"a list of clusters with a creation time in the future, or before Atlas existed",
		"the creation time is absent; the history is kept",
		"atlas", "TestClusters_TreatsAnImplausibleCreationTimeAsAbsent",
	},
	{
		"reloads at a shorter interval than a discovery takes", "none; an unchanged discovery continues",
		"collector/poll", "TestApply_DoesNotRestartDiscoveryThatIsTheSame",
	},
	{
		"frequent reloads change settings while polls are slow",
		"none; running polls continue, and the next ones are not postponed",
		"collector/poll", "TestApply_PollsAtTheUsualTimesHoweverOftenOtherSettingsChange",
	},
	{
		"a target moves between configuration, discovery, and credentials", "none; its history is kept",
		"collector/poll", "TestApply_KeepsTheHistoryOfAListThatIsStillPolled",
	},
	{
		"drill targets are removed and added again", "none; the latest drills are known again",
		"collector/history", "TestSetPolicy_KeepsEventsOfDrillsWhileThereAreNoDrillTargets",
	},
	{
		"the exporter restarts after a cluster was recreated", "finished jobs of the earlier cluster are still ignored",
		"collector/poll", "TestRun_IgnoresTheJobsOfAnEarlierClusterAfterARestart",
	},
	{
		"a cluster has a creation time in the future", "it is not treated as a recreated cluster",
		"collector/poll", "TestClusterFacts_DetectsRecreatedClusters",
	},
	{
		"the clusters of a project can't be read, but its tags can",
		"team and environment are empty until the tags of the cluster are known",
		"collector/poll", "TestStates_TakeNoLabelFromTheProjectBeforeTheTagsOfTheClusterAreKnown",
	},
	{
		"a field that decides the status of a job is unreadable",
		"the status is `unknown`; if the job has failed, `last_failure` doesn't include it until the field is readable",
		"atlas", "TestSalvage_StatusIsUnknownIfAFieldThatDecidesItCannotBeRead",
	},
	{
		"a project has more targets than its rate limit allows to poll",
		"each target is polled equally often; a poll that waits for an interval and a timeout is `rate_limited`",
		"collector/poll", "TestRun_PollsEachTargetInTurnIfTheRateLimitAllowsFewPolls",
	},
	{
		"429 with a long `Retry-After` for a single job", "none; the whole list is read instead",
		"collector/poll", "TestPoll_SeesAFailureAlthoughAnUnfinishedJobCannotBeReadByID",
	},
	{
		"a download expires while its list isn't polled", "none; it becomes `expired` at its expiry",
		"collector/poll", "TestRun_PublishesAnExpiryBetweenPolls",
	},
	{
		"a secret is rotated while the configuration file is invalid",
		"`config_last_reload_successful` is 0; the active configuration uses the new secret",
		"internal/server", "TestReload_AfterASecretFileChangedIgnoresAnInvalidConfigurationFile",
	},
	{
		"a file with a secret is a FIFO or device", "the configuration is rejected",
		"internal/files", "TestRead_RejectsAFIFOWithoutBlocking",
	},
	{
		"reading a file hangs", "the file is treated as unreadable after 5 seconds",
		"internal/files", "TestRead_EndsAtTheTimeoutAndFailsFastWhileTheReadIsBlocked",
	},
	{
		"nothing reads the log", "messages are dropped and counted in `log_messages_dropped_total`",
		".", "TestRun_PollsAndEndsWhileNothingReadsTheLog",
	},
	{
		"more idle clients than file descriptors",
		"the connection that has been idle for longest is closed, and counted in `connections_rejected_total`",
		"internal/server", "TestRun_ServesAScrapeWhileManyIdleClientsAreConnected",
	},
	{
		"clients that never read the response of `/metrics` exceed the connection limit",
		"the connection that has made no progress for longest is closed, and counted in `connections_rejected_total`",
		"internal/server", "TestLimits_ClientsThatNeverReadLeaveConnectionsToOthers",
	},
	{
		"many clients that slowly read an uncompressed `/metrics`",
		"none; they share up to 64 MiB of uncompressed text; beyond that, each response is decompressed while it is sent",
		"collector", "TestExposition_ClientsThatReadSlowlyShareALimitedAmountOfMemory",
	},
	{
		"clients that use all slots for uncached scrapes, and never read the responses",
		"the response that is stalled for longest is aborted",
		"internal/server", "TestLimits_ClientsThatNeverReadKeepNoOtherClientOut",
	},
	{
		"1,000 unfinished TLS handshakes", "none; the oldest is closed",
		"internal/server", "TestTLS_UnfinishedHandshakesKeepNoScrapeOut",
	},
	{
		"HTTP/2 clients that flood the endpoint with streams, resets, headers, or pings",
		"none; the connection is closed",
		"internal/server", "TestHTTP2_HostileClientsKeepNoScrapeOut",
	},
	{
		"the web configuration or a file that it names is a FIFO, hangs, or is invalid",
		"the last valid one stays active; `config_last_reload_successful` is 0",
		"internal/server", "TestWebConfig_FilesThatHangAffectNoClient",
	},
	{
		"the web configuration is emptied", "authentication stays required; `config_last_reload_successful` is 0",
		"internal/server", "TestWebConfig_AnEmptiedFileDoesNotDisableAuthentication",
	},
	{
		"a secret file is missing while the secret of another credential is rotated",
		"`config_last_reload_successful` is 0; the rotated secret is used",
		"internal/server", "TestReload_EachSecretFileIsIndependent",
	},
	{
		"a configuration is rejected because a file is missing, and is replaced on disk before the file appears",
		"the rejected contents are not applied",
		"internal/server", "TestReload_RejectedContentsAreNotTriedAgainIfTheFileHasOthers",
	},
}

// faultTable returns the table of the matrix.
func faultTable() string {
	var table strings.Builder
	table.WriteString(
		"\n| failure | reason of `poll_error` | other targets | maximum polls until recovery |\n| --- | --- | --- | --- |\n",
	)
	for _, f := range allFaults() {
		others := f.reach
		if f.reason == "" {
			others = oneTarget
		}
		effect := cmp.Or(f.effect, "`"+string(f.reason)+"`")
		_, _ = fmt.Fprintf(&table, "| %s | %s | %s | %d |\n", f.name, effect, others, f.maxPolls)
	}
	return table.String() + "\n"
}

// situationTable returns the table of the other situations.
func situationTable() string {
	var table strings.Builder
	table.WriteString("\n| situation | effect |\n| --- | --- |\n")
	for _, s := range situations {
		_, _ = fmt.Fprintf(&table, "| %s | %s |\n", s.name, s.effect)
	}
	return table.String() + "\n"
}

// TestFaultTables_DocumentEveryFault compares the tables in the documentation with the matrix and the situations, or
// writes them.
func TestFaultTables_DocumentEveryFault(t *testing.T) {
	for name, table := range map[string]string{"faults": faultTable(), "situations": situationTable()} {
		text := testutil.ReadFile(t, documentation)
		at := strings.Index(text, "<!-- "+name+": ")
		end := strings.Index(text, "<!-- end of "+name+" -->")
		if at < 0 || end < 0 {
			t.Fatalf("%s has no comments around the table of %s", documentation, name)
		}
		at += strings.Index(text[at:], "\n") + 1
		if os.Getenv(testutil.UpdateGolden) != "" {
			testutil.WriteFile(t, documentation, text[:at]+table+text[end:])
		} else if text[at:end] != table {
			t.Errorf("the table is\n%s\nwant\n%s", text[at:end], table)
		}
	}
}

func TestSituations_HaveATest(t *testing.T) {
	for _, s := range situations {
		files, err := filepath.Glob(filepath.Join("../..", s.folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool {
			return strings.Contains(testutil.ReadFile(t, file), "\nfunc "+s.test+"(")
		}) {
			t.Errorf("%s: %s has no test %s", s.name, s.folder, s.test)
		}
	}
}
