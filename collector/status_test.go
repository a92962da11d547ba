package collector

import (
	"strings"
	"testing"

	"atlas-restore-exporter/atlas"
)

func TestCanHaveStatus_FollowsTheAtlasDocumentation(t *testing.T) {
	const restored = "in_progress completed failed cancelled"
	const downloaded = "in_progress ready completed failed expired cancelled"
	for _, test := range []struct {
		backupType atlas.BackupType
		delivery   atlas.DeliveryType
		want       string
	}{
		{atlas.Dedicated, atlas.DeliveryAutomated, restored},
		{atlas.Dedicated, atlas.DeliveryPointInTime, restored},
		{atlas.Dedicated, atlas.DeliveryDownload, downloaded},
		{atlas.Dedicated, atlas.DeliveryOther, ""},
		{atlas.Serverless, atlas.DeliveryAutomated, restored},
		{atlas.Serverless, atlas.DeliveryPointInTime, restored},
		{atlas.Serverless, atlas.DeliveryDownload, downloaded},
		{atlas.Flex, atlas.DeliveryAutomated, "pending in_progress completed failed"},
		{atlas.Flex, atlas.DeliveryPointInTime, ""},
		{atlas.Flex, atlas.DeliveryDownload, "pending in_progress ready completed failed expired"},
		{atlas.Collection, atlas.DeliveryAutomated, "pending in_progress completed failed cancelled"},
		{atlas.Collection, atlas.DeliveryPointInTime, "pending in_progress completed failed cancelled"},
		{atlas.Collection, atlas.DeliveryDownload, ""},
		{atlas.Legacy, atlas.DeliveryAutomated, restored},
		{atlas.Legacy, atlas.DeliveryPointInTime, ""},
		{atlas.Legacy, atlas.DeliveryDownload, downloaded},
	} {
		var got []string
		for status := range atlas.StatusCount {
			if canHaveStatus(test.backupType, test.delivery, status) {
				got = append(got, status.String())
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s %s: got %v, want %s", test.backupType, test.delivery, got, test.want)
		}
	}
}
