package status

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/common/model"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector/poll"
)

// checkAddress is the second sentence of remedies for responses that are not from the Atlas API.
const checkAddress = " Check atlas.base_url, and whether a proxy responds instead of Atlas."

// targetRemedy returns the remedy for the error of a target's last poll.
func targetRemedy(s *poll.Snapshot) string {
	return failure{s.Reason, s.Err, apiError(s.Err), s.Target}.remedy()
}

// discoveryRemedy returns the remedy for the error of the last discovery.
func discoveryRemedy(d *poll.DiscoveryStatus) string {
	target := poll.Target{
		List: atlas.List{ProjectID: d.ProjectID}, Credential: d.Credential, Timeout: poll.DiscoveryTimeout,
	}
	return failure{d.Reason, d.Err, apiError(d.Err), &target}.remedy()
}

// failure is a failed poll or discovery. For a discovery, the target has no cluster name and no backup type; for the
// discovery of projects, it has no project ID either.
type failure struct {
	reason poll.Reason
	err    error
	api    *atlas.Error // the error response in err; empty if there is none
	target *poll.Target
}

func apiError(err error) *atlas.Error {
	if api, ok := errors.AsType[*atlas.Error](err); ok {
		return api
	}
	return &atlas.Error{}
}

// remedy returns "" only for an unknown reason.
func (f failure) remedy() string {
	switch f.reason {
	case poll.ReasonUnauthorized:
		return f.unauthorized()
	case poll.ReasonForbidden:
		return f.forbidden()
	case poll.ReasonNotFound:
		return f.notFound()
	case poll.ReasonWrongBackupType:
		return f.wrongBackupType()
	case poll.ReasonGone:
		return f.gone()
	case poll.ReasonRateLimited:
		return f.rateLimited()
	case poll.ReasonServerError:
		return "Internal error of the Atlas API. The exporter retries automatically. " +
			"If this persists, see https://status.mongodb.com."
	case poll.ReasonTimeout:
		return f.timeout()
	case poll.ReasonNetwork:
		return f.network()
	case poll.ReasonMalformed:
		return f.malformed()
	case poll.ReasonOther:
		return f.other()
	}
	return ""
}

func (f failure) unauthorized() string {
	switch {
	case f.api.FromTokenEndpoint() && f.api.Status == http.StatusForbidden:
		return fmt.Sprintf("Credential %s has reached the limit of active access tokens. "+
			"Wait an hour, and check which other processes use the service account or restart often.", f.target.Credential)
	case f.api.FromTokenEndpoint():
		return fmt.Sprintf("The client ID or secret of credential %s is wrong, or the secret has expired. "+
			"Create a new secret in Atlas.", f.target.Credential)
	case f.api.Membership():
		return fmt.Sprintf("Credential %s is valid but has no access to %s. "+
			"Grant the credential the role %s there. "+
			"If the project is in another organization, use a credential of that organization.",
			f.target.Credential, f.project(), requiredRole(f.target.BackupType))
	}
	return fmt.Sprintf("Atlas rejected credential %s. Check the key, and that it belongs to the organization of %s.",
		f.target.Credential, f.project())
}

func (f failure) forbidden() string {
	switch {
	case f.api.AccessList():
		return fmt.Sprintf("The IP address of this machine is not on the API access list of credential %s. "+
			"Add it to the access list in Atlas.", f.target.Credential)
	case f.api.Status == http.StatusPaymentRequired:
		return "The Atlas account is suspended because of an unpaid invoice. Pay the invoice."
	}
	if f.target.BackupType == atlas.Serverless {
		return retiredServerless
	}
	return fmt.Sprintf("Credential %s needs the role %s in %s.",
		f.target.Credential, requiredRole(f.target.BackupType), f.project())
}

func (f failure) notFound() string {
	switch {
	case f.api.Code == "": // errors of the Atlas API have a code
		return "The response is not from the Atlas API." + checkAddress
	case f.target.ProjectID == "":
		return "There is no list of projects at this address." + checkAddress
	case f.api.ProjectNotFound(), f.target.ClusterName == "":
		return fmt.Sprintf("Project %s does not exist. Check projects[].id.", f.target.ProjectID)
	}
	return fmt.Sprintf("Cluster %s does not exist in project %s. "+
		"Check its name, or remove it from the configuration if it was deleted.", f.target.ClusterName, f.target.ProjectID)
}

func (f failure) wrongBackupType() string {
	suggestion := "another backup type"
	if backupType, ok := f.api.RightBackupType(); ok && backupType == atlas.Serverless {
		return retiredServerless
	} else if ok {
		suggestion = fmt.Sprintf("backup_types: [%s]", backupType)
	}
	return fmt.Sprintf("Cluster %s exists but does not have backup type %s. Configure %s.",
		f.target.ClusterName, f.target.BackupType, suggestion)
}

const retiredServerless = "Atlas has converted serverless instances to Flex clusters. " +
	"Configure backup_types: [flex], or remove the cluster from the configuration."

func (f failure) gone() string {
	if f.target.BackupType == atlas.Serverless {
		return retiredServerless
	}
	return fmt.Sprintf("Atlas no longer supports the API version that this exporter uses for %s restore jobs. "+
		"Update the exporter.", f.target.BackupType)
}

func (f failure) rateLimited() string {
	if f.api.FromTokenEndpoint() {
		return fmt.Sprintf("Atlas limits the token requests of credential %s, or those from this IP address. "+
			"The exporter retries automatically. If this persists, check which other processes use the service account "+
			"or restart often.", f.target.Credential)
	}
	return "The rate limit of the project is exhausted, by this exporter or by other API clients. " +
		"The exporter retries when Atlas allows it. If this persists, increase projects[].interval."
}

func (f failure) timeout() string {
	remedy := fmt.Sprintf("No response within %v. Check the network and proxies between the exporter and Atlas",
		model.Duration(f.target.Timeout))
	if f.target.ClusterName != "" {
		remedy += ", or increase polling.timeout"
	}
	return remedy + "."
}

func (f failure) network() string {
	var wrongName x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch text := f.err.Error(); {
	case errors.As(f.err, &wrongName):
		return "The server's certificate is for another host name." + checkAddress
	case errors.As(f.err, &invalid):
		return "The server's certificate has expired or is not valid for this use. " +
			"Check the clock of this machine, and proxies between the exporter and Atlas."
	case strings.Contains(text, "certificate"):
		return "The server's certificate is not trusted. " +
			"Behind a proxy that inspects TLS, set atlas.ca_file to the certificate of the proxy's authority."
	case strings.Contains(text, "no such host"), strings.Contains(text, "lookup"):
		return "The host name of the server can't be resolved. Check DNS, atlas.base_url, and HTTPS_PROXY."
	}
	return "No connection to Atlas. Check the network, the firewall, atlas.base_url, and HTTPS_PROXY."
}

func (f failure) malformed() string {
	return "The response is not a valid response of the Atlas API." + checkAddress
}

func (f failure) other() string {
	switch {
	case errors.Is(f.err, poll.ErrInternal):
		return "This is a bug in the exporter. Open an issue with the details from the log of serve."
	case f.api.FromTokenEndpoint():
		return "There is no token endpoint at this address." + checkAddress
	case f.api.BackupsDisabled():
		return "Backups are not enabled for this cluster. " +
			"Enable them in Atlas, or remove the cluster from the configuration."
	}
	return "Unexpected error from Atlas. If the error message doesn't help, open an issue."
}

// project returns the project of the target as text.
func (f failure) project() string {
	if f.target.ProjectID == "" {
		return "the projects to discover"
	}
	return "project " + f.target.ProjectID
}

// requiredRole returns the least privileged role that can read the restore jobs of a backup type. The empty backup type
// means discovery.
func requiredRole(backupType atlas.BackupType) string {
	switch backupType {
	case atlas.Flex, atlas.Legacy, "":
		return "Project Read Only"
	case atlas.Serverless:
		return "Project Owner"
	default:
		return "Project Backup Manager"
	}
}
