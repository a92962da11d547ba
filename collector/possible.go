package collector

import (
	"slices"

	"atlas-restore-exporter/atlas"
)

// possible reports whether a job of a backup type and a delivery type can have a status, as far as Atlas documents it.
// What is possible has a series even where it is 0; a surprise has one once it is seen.
func possible(backupType atlas.BackupType, delivery atlas.DeliveryType, status atlas.Status) bool {
	if delivery == atlas.DeliveryOther || status == atlas.StatusUnknown {
		return false
	}
	pointInTime, download := delivery == atlas.DeliveryPointInTime, delivery == atlas.DeliveryDownload
	switch backupType {
	case atlas.Flex:
		return !pointInTime && status != atlas.StatusCancelled && (download || !archive(status))
	case atlas.Collection:
		return !download && !archive(status)
	case atlas.Legacy:
		return !pointInTime && status != atlas.StatusPending && (download || !archive(status))
	case atlas.Dedicated, atlas.Serverless:
		return status != atlas.StatusPending && (download || !archive(status))
	}
	return false
}

// archive reports whether only an archive to download can have the status.
func archive(status atlas.Status) bool {
	return slices.Contains([]atlas.Status{atlas.StatusReady, atlas.StatusExpired}, status)
}
