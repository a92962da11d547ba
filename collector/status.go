package collector

import "atlas-restore-exporter/atlas"

// canHaveStatus reports whether, according to the Atlas documentation, a job of a backup type and a delivery type can
// have a status. Such a status has a series even if no job has it. Any other status has one as soon as a job has it.
func canHaveStatus(backupType atlas.BackupType, delivery atlas.DeliveryType, status atlas.Status) bool {
	if delivery == atlas.DeliveryOther || status == atlas.StatusUnknown {
		return false
	}
	pointInTime, download := delivery == atlas.DeliveryPointInTime, delivery == atlas.DeliveryDownload
	downloadOnly := status == atlas.StatusReady || status == atlas.StatusExpired
	switch backupType {
	case atlas.Flex:
		return !pointInTime && status != atlas.StatusCancelled && (download || !downloadOnly)
	case atlas.Collection:
		return !download && !downloadOnly
	case atlas.Legacy:
		return !pointInTime && status != atlas.StatusPending && (download || !downloadOnly)
	case atlas.Dedicated, atlas.Serverless:
		return status != atlas.StatusPending && (download || !downloadOnly)
	}
	return false
}
