package status

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
	"atlas-restore-exporter/internal/testutil"
)

// failures contains every failure that has its own remedy.
var failures = []struct {
	name       string
	err        error
	backupType atlas.BackupType // if empty, dedicated
}{
	{"wrong client secret", &atlas.Error{Operation: atlas.OperationToken, Status: 401, Code: "invalid_client"}, ""},
	{"token limit", &atlas.Error{Operation: atlas.OperationToken, Status: 403, Code: "access_denied"}, ""},
	{"wrong key", &atlas.Error{Status: 401}, ""},
	{"another organization", &atlas.Error{Status: 401, Code: "USER_CANNOT_ACCESS_GROUP"}, ""},
	{"access list", &atlas.Error{Status: 403, Code: "IP_ADDRESS_NOT_ON_ACCESS_LIST"}, ""},
	{"missing role", &atlas.Error{Status: 403, Code: "ACCESS_FORBIDDEN"}, ""},
	{"missing role for flex", &atlas.Error{Status: 403, Code: "ACCESS_FORBIDDEN"}, atlas.Flex},
	{"missing role for serverless", &atlas.Error{Status: 403, Code: "ACCESS_FORBIDDEN"}, atlas.Serverless},
	{"suspended", &atlas.Error{Status: 402, Code: "ACCOUNT_SUSPENDED"}, ""},
	{"no project", &atlas.Error{Status: 404, Code: "GROUP_NOT_FOUND"}, ""},
	{"no cluster", &atlas.Error{Status: 404, Code: "CLUSTER_NOT_FOUND"}, ""},
	{"flex cluster", &atlas.Error{Status: 400, Code: "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API"}, ""},
	{"dedicated cluster", &atlas.Error{Status: 400, Code: "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API"}, atlas.Flex},
	{"serverless instance", &atlas.Error{Status: 400, Code: "CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API"}, ""},
	{"not legacy", &atlas.Error{Status: 400, Code: "INCORRECT_BACKUP_API_ENDPOINT"}, atlas.Legacy},
	{"unknown cluster type", &atlas.Error{Status: 400, Code: "CANNOT_USE_ODD_CLUSTER_IN_EVEN_API"}, ""},
	{"serverless retired", &atlas.Error{Status: 410, Code: "VERSION_GONE"}, atlas.Serverless},
	{"API version retired", &atlas.Error{Status: 410, Code: "VERSION_GONE"}, ""},
	{"not Atlas", &atlas.Error{Status: 404}, ""},
	{"no token endpoint", &atlas.Error{Operation: atlas.OperationToken, Status: 404}, ""},
	{"backups disabled", &atlas.Error{Status: 400, Code: "BACKUP_JOB_NOT_FOUND"}, ""},
	{"certificate for another name", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, ""},
	{"expired certificate", x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}, ""},
	{"untrusted certificate", x509.UnknownAuthorityError{}, ""},
	{"rate limited", &atlas.Error{Status: 429}, ""},
	{"token requests limited", &atlas.Error{Operation: atlas.OperationToken, Status: 429}, ""},
	{"rate limit exhausted", atlas.ErrRateLimitExhausted, ""},
	{"server error", &atlas.Error{Status: 500}, ""},
	{"timeout", context.DeadlineExceeded, ""},
	{"unknown host", &net.DNSError{Err: "no such host", Name: "cloud.mongodb.com"}, ""},
	{"connection refused", io.EOF, ""},
	{"malformed response", &atlas.MalformedError{Err: io.EOF}, ""},
	{"other", &atlas.Error{Status: 418}, ""},
	{"panic", poll.ErrInternal, ""},
}

func TestTargetRemedy_DescribesTheActionForEachFailure(t *testing.T) {
	var all strings.Builder
	for _, test := range failures {
		snapshot := failed("prod", cmp.Or(test.backupType, atlas.Dedicated), test.err)
		_, _ = fmt.Fprintf(&all, "%s (%s): %s\n", test.name, snapshot.Reason, targetRemedy(snapshot))
	}
	testutil.EqualGolden(t, "testdata/remedies.txt", all.String())
}

func TestTargetRemedy_ExistsForEveryReason(t *testing.T) {
	for _, reason := range poll.Reasons() {
		snapshot := failed("prod", atlas.Dedicated, io.EOF)
		snapshot.Reason = reason
		if targetRemedy(snapshot) == "" {
			t.Errorf("reason %s has no remedy", reason)
		}
	}
}

func TestDiscoveryRemedy_RefersToProjectsInsteadOfClusters(t *testing.T) {
	for _, test := range []struct {
		projectID string
		err       error
		want      string // part of the remedy
	}{
		{"", &atlas.Error{Status: 403}, "needs the role Project Read Only in the projects to discover."},
		{payments, &atlas.Error{Status: 403}, "needs the role Project Read Only in project " + payments + "."},
		{"", &atlas.Error{Status: 404, Code: "NOT_FOUND"}, "There is no list of projects at this address."},
		{payments, &atlas.Error{Status: 404, Code: "NOT_FOUND"}, "Project " + payments + " does not exist."},
		{"", context.DeadlineExceeded, "No response within 30s. Check the network and proxies between the exporter"},
	} {
		d := &poll.DiscoveryStatus{Credential: "default", ProjectID: test.projectID, Err: test.err}
		d.Reason = poll.ReasonOf(test.err, "")
		if got := discoveryRemedy(d); !strings.Contains(got, test.want) {
			t.Errorf("project %q, %v: %q doesn't contain %q", test.projectID, test.err, got, test.want)
		}
	}
}
