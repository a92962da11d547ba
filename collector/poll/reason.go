package poll

import (
	"context"
	"errors"
	"net"
	"net/http"

	"atlas-restore-exporter/atlas"
)

// Reason is the class of an error of a poll or discovery. It is a label value, so its values are few and fixed.
type Reason string

// The reasons. ReasonGone means that the Atlas API no longer serves the list, and never will again.
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

// temporary reports whether the next attempt may succeed although nothing about the configuration has changed.
func (r Reason) temporary() bool {
	switch r {
	case ReasonTimeout, ReasonNetwork, ReasonRateLimited, ReasonServerError:
		return true
	default:
		return false
	}
}

// ReasonOf returns the class of an error of a poll of a target of the given backup type. For discovery, the type is
// empty.
func ReasonOf(err error, backupType atlas.BackupType) Reason {
	if rejection, ok := errors.AsType[*atlas.Error](err); ok {
		return reasonOfStatus(rejection, backupType)
	}
	if _, ok := errors.AsType[*atlas.MalformedError](err); ok {
		return ReasonMalformed
	}
	if errors.Is(err, atlas.ErrRateLimitExhausted) {
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

func reasonOfStatus(rejection *atlas.Error, backupType atlas.BackupType) Reason {
	status := rejection.Status
	if rejection.FromTokenEndpoint() && status < http.StatusInternalServerError && status != http.StatusTooManyRequests {
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			return ReasonUnauthorized
		}
		return ReasonOther // unrelated to the list
	}
	switch {
	case status == http.StatusUnauthorized:
		return ReasonUnauthorized
	case rejection.WrongBackupType():
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
