package atlas

import (
	"net/http"
	"slices"
	"strings"
)

// This file has all error codes of Atlas that the exporter handles, as predicates of Error. Atlas adds codes without
// notice, so each predicate is false for an unknown code.

// JobNotFound reports whether the job itself does not exist, as opposed to its cluster or project.
func (e *Error) JobNotFound() bool {
	return e.Status == http.StatusNotFound && (strings.Contains(e.Code, "RESTORE_JOB_NOT_FOUND") ||
		e.Code == "TENANT_RESTORE_NOT_FOUND" || e.Code == "INVALID_JOB_ID")
}

// ProjectNotFound reports whether the project does not exist.
func (e *Error) ProjectNotFound() bool { return e.Code == "GROUP_NOT_FOUND" }

// Membership reports whether a 401 means that the credential is valid but has no access to the project: Atlas returns
// 401, not 403, for a project of another organization.
func (e *Error) Membership() bool {
	return slices.Contains([]string{"NOT_IN_GROUP", "USER_CANNOT_ACCESS_GROUP", "USER_UNAUTHORIZED"}, e.Code)
}

// AccessList reports whether the address of this machine is not on the IP access list of the credential.
func (e *Error) AccessList() bool {
	return strings.Contains(e.Code, "ACCESS_LIST") || strings.Contains(e.Code, "WHITELIST")
}

// Unsupported reports whether the project cannot have clusters of this kind at all.
func (e *Error) Unsupported() bool {
	return e.Status == http.StatusForbidden && e.Code == "FEATURE_UNSUPPORTED"
}

// BackupsDisabled reports whether backups are not enabled for the cluster.
func (e *Error) BackupsDisabled() bool { return e.Code == "BACKUP_JOB_NOT_FOUND" }

// WrongBackupType reports whether the cluster exists but its restore jobs belong to another backup type.
func (e *Error) WrongBackupType() bool {
	if e.Status != http.StatusBadRequest {
		return e.Unsupported()
	}
	wrongAPI := strings.HasPrefix(e.Code, "CANNOT_USE_") && strings.Contains(e.Code, "_IN_") &&
		strings.HasSuffix(e.Code, "_API")
	return wrongAPI || e.Code == "INCORRECT_BACKUP_API_ENDPOINT"
}

// RightBackupType returns the backup type that the error code suggests instead, or false if it suggests none.
func (e *Error) RightBackupType() (BackupType, bool) {
	switch e.Code {
	case "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API":
		return Flex, true
	case "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API", "CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API",
		"INCORRECT_BACKUP_API_ENDPOINT", "FEATURE_UNSUPPORTED":
		return Dedicated, true
	case "CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API":
		return Serverless, true
	}
	return "", false
}
