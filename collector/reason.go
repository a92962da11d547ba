package collector

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"atlas-restore-exporter/atlas"
)

// Reason says in one word why a poll failed. It is a label of poll_error.
type Reason string

// The reasons.
const (
	ReasonUnauthorized    Reason = "unauthorized"
	ReasonForbidden       Reason = "forbidden"
	ReasonNotFound        Reason = "not_found"
	ReasonWrongBackupType Reason = "wrong_backup_type"
	ReasonGone            Reason = "gone"
	ReasonRateLimited     Reason = "rate_limited"
	ReasonServerError     Reason = "server_error"
	ReasonTimeout         Reason = "timeout"
	ReasonNetwork         Reason = "network"
	ReasonMalformed       Reason = "malformed"
	ReasonOther           Reason = "other"
)

// Reasons lists all reasons.
func Reasons() []Reason {
	return []Reason{
		ReasonUnauthorized, ReasonForbidden, ReasonNotFound, ReasonWrongBackupType, ReasonGone, ReasonRateLimited,
		ReasonServerError, ReasonTimeout, ReasonNetwork, ReasonMalformed, ReasonOther,
	}
}

// ReasonOf classifies the failure of a poll of a list of the given type.
func ReasonOf(err error, backupType atlas.BackupType) Reason {
	if refusal, ok := errors.AsType[*atlas.Error](err); ok {
		return reasonOfRefusal(refusal, backupType)
	}
	if _, ok := errors.AsType[*atlas.MalformedError](err); ok {
		return ReasonMalformed
	}
	if errors.Is(err, atlas.ErrBudget) {
		return ReasonRateLimited
	}
	if errors.Is(err, ErrInternal) {
		return ReasonOther
	}
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &network) && network.Timeout()) {
		return ReasonTimeout
	}
	return ReasonNetwork
}

func reasonOfRefusal(refusal *atlas.Error, backupType atlas.BackupType) Reason {
	status := refusal.Status
	if refusal.Token() && status < http.StatusInternalServerError && status != http.StatusTooManyRequests {
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			return ReasonUnauthorized
		}
		return ReasonOther // it says nothing of the list
	}
	switch {
	case status == http.StatusUnauthorized:
		return ReasonUnauthorized
	case wrongBackupType(refusal):
		return ReasonWrongBackupType
	case status == http.StatusForbidden, status == http.StatusPaymentRequired:
		return ReasonForbidden
	case status == http.StatusGone, status == http.StatusNotFound && backupType == atlas.Serverless:
		return ReasonGone
	case status == http.StatusNotFound:
		return ReasonNotFound
	case status == http.StatusTooManyRequests:
		return ReasonRateLimited
	case status >= http.StatusInternalServerError:
		return ReasonServerError
	}
	return ReasonOther
}

// wrongBackupType reports whether the cluster is there, and is of another kind than the path.
func wrongBackupType(refusal *atlas.Error) bool {
	if refusal.Status != http.StatusBadRequest {
		return refusal.Unsupported()
	}
	other := strings.HasPrefix(refusal.Code, "CANNOT_USE_") && strings.Contains(refusal.Code, "_IN_") &&
		strings.HasSuffix(refusal.Code, "_API")
	return other || refusal.Code == "INCORRECT_BACKUP_API_ENDPOINT"
}
