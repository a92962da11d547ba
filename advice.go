package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"atlas-restore-exporter/atlas"
	"atlas-restore-exporter/collector"
)

// advice says in plain words what to do about the failure of a target's last poll.
func advice(s *collector.Snapshot) string { return adviceFor(s.Reason, s.Err, s.Target) }

// searchAdvice says in plain words what to do about a search that failed.
func searchAdvice(s collector.Search) string {
	asked := collector.Target{List: atlas.List{ProjectID: s.ProjectID}, Credential: s.Credential, Timeout: collector.SearchTimeout}
	return adviceFor(s.Reason, s.Err, &asked)
}

// adviceFor is about a target or, where that has no cluster, about the search for some.
func adviceFor(reason collector.Reason, err error, target *collector.Target) string {
	var code string
	refusal, ok := errors.AsType[*atlas.Error](err)
	if ok {
		code = refusal.Code
	}
	switch reason {
	case collector.ReasonUnauthorized:
		return adviceUnauthorized(refusal, target)
	case collector.ReasonForbidden:
		return adviceForbidden(refusal, target)
	case collector.ReasonNotFound:
		switch {
		case code == "":
			return "The address answers, but not as Atlas does. Check atlas.base_url, and whether a proxy answers in its place."
		case target.ProjectID == "":
			return "Atlas has no list of projects. Check atlas.base_url, and whether a proxy answers in its place."
		case code == "GROUP_NOT_FOUND", target.ClusterName == "":
			return fmt.Sprintf("There is no project %s. Check projects[].id.", target.ProjectID)
		}
		return fmt.Sprintf("There is no cluster %s in project %s. Check its name, or remove it if it was deleted.",
			target.ClusterName, target.ProjectID)
	case collector.ReasonWrongBackupType:
		return adviceWrongType(code, target)
	case collector.ReasonGone:
		return adviceGone(target)
	case collector.ReasonRateLimited:
		return "Too many requests for this project, by this exporter or by others. Polls go on as Atlas allows; raise polling.interval if it lasts."
	case collector.ReasonServerError:
		return "Atlas has a problem of its own. Polls go on; see https://status.mongodb.com if it lasts."
	case collector.ReasonTimeout:
		if target.ClusterName == "" {
			return fmt.Sprintf("No answer within %v. Check the network to Atlas and a proxy in between.", duration(target.Timeout))
		}
		return fmt.Sprintf("No answer within %v. Check the network to Atlas and a proxy in between, or raise polling.timeout.",
			duration(target.Timeout))
	case collector.ReasonNetwork:
		return adviceNetwork(err)
	case collector.ReasonOther:
		return adviceOther(err, refusal)
	case collector.ReasonMalformed:
		return "Atlas' answer is not what it should be. Check atlas.base_url, and whether a proxy answers in its place."
	}
	return ""
}

// where names the project of a target, or of a search.
func where(target *collector.Target) string {
	if target.ProjectID == "" {
		return "the projects to be found"
	}
	return "project " + target.ProjectID
}

func adviceOther(err error, refusal *atlas.Error) string {
	switch {
	case errors.Is(err, collector.ErrInternal):
		return "This is a defect of the exporter. Please report it, with what the log of serve has about it."
	case refusal != nil && refusal.Token():
		return "There is no token endpoint at that address. Check atlas.base_url, and whether a proxy answers in its place."
	case refusal != nil && refusal.Code == "BACKUP_JOB_NOT_FOUND":
		return "Backups are not enabled for this cluster. Enable them in Atlas, or remove it."
	}
	return "Atlas refused in a way that is not known. If its own words do not help, please report them."
}

func adviceGone(target *collector.Target) string {
	if target.BackupType == atlas.Serverless {
		return "Atlas has retired serverless instances; they became Flex clusters. Configure backup_types: [flex], or remove it."
	}
	return fmt.Sprintf("Atlas has ended the version of its API at which %s restore jobs are read. A newer version of this exporter may know the next.",
		target.BackupType)
}

func adviceUnauthorized(refusal *atlas.Error, target *collector.Target) string {
	switch {
	case refusal != nil && refusal.Token() && refusal.Status == http.StatusForbidden:
		return fmt.Sprintf("Atlas gives credential %s no more access tokens for now: it has too many live ones. "+
			"Wait an hour, and see what else uses or restarts with the same service account.", target.Credential)
	case refusal != nil && refusal.Token():
		return fmt.Sprintf("Client id or secret of credential %s is wrong, or the secret has expired. Make a new secret in Atlas.",
			target.Credential)
	case refusal != nil && refusal.Membership():
		return fmt.Sprintf("Credential %s is valid but may not see %s: it belongs to another organization, or needs a role there (%s).",
			target.Credential, where(target), leastRole(target.BackupType))
	}
	return fmt.Sprintf("Atlas does not accept credential %s. Check the key, and that it belongs to the organization of %s.",
		target.Credential, where(target))
}

func adviceForbidden(refusal *atlas.Error, target *collector.Target) string {
	switch {
	case strings.Contains(refusal.Code, "ACCESS_LIST"), strings.Contains(refusal.Code, "WHITELIST"):
		return fmt.Sprintf("This machine's address is not on the API access list of credential %s. Add it in Atlas, where the credential is managed.",
			target.Credential)
	case refusal.Status == http.StatusPaymentRequired:
		return "The account is suspended for an unpaid invoice."
	}
	return fmt.Sprintf("Credential %s needs the role %s in %s.",
		target.Credential, leastRole(target.BackupType), where(target))
}

// leastRole is the least role that lets a credential read the restore jobs of a backup type.
func leastRole(backupType atlas.BackupType) string {
	switch backupType {
	case atlas.Flex, atlas.Legacy, "": // the last is to search
		return "Project Read Only"
	case atlas.Serverless:
		return "Project Owner"
	case atlas.Dedicated, atlas.Collection:
	}
	return "Project Backup Manager"
}

func adviceWrongType(code string, target *collector.Target) string {
	should := "another backup type"
	switch code {
	case "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API":
		should = "backup_types: [flex]"
	case "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API", "CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API",
		"INCORRECT_BACKUP_API_ENDPOINT", "FEATURE_UNSUPPORTED":
		should = "backup_types: [dedicated]"
	case "CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API":
		should = "backup_types: [serverless]"
	}
	return fmt.Sprintf("Cluster %s exists but does not have backup type %s. Configure %s.", target.ClusterName, target.BackupType, should)
}

func adviceNetwork(err error) string {
	var wrongName x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch text := err.Error(); {
	case errors.As(err, &wrongName):
		return "The server's certificate is for another name. Check atlas.base_url, and whether a proxy answers in its place."
	case errors.As(err, &invalid):
		return "The server's certificate is not valid now, or not for this. Check this machine's clock, and a proxy in between."
	case strings.Contains(text, "certificate"):
		return "The server's certificate is not trusted. Behind a proxy that inspects TLS, set atlas.ca_file to its authority's certificate."
	case strings.Contains(text, "no such host"), strings.Contains(text, "lookup"):
		return "The name of the server does not resolve. Check DNS, atlas.base_url, and HTTPS_PROXY."
	}
	return "No connection to Atlas. Check the network, the firewall, atlas.base_url, and HTTPS_PROXY."
}
