package oracle

import "slices"

// readDelivery derives the delivery type and the target of a job.
func readDelivery(j *job, o object) {
	var project, cluster string
	switch j.backupType {
	case "dedicated", "serverless":
		project, cluster = o.text("targetGroupId"), o.text("targetClusterName")
		j.wireDelivery = o.text("deliveryType")
	case "collection":
		project, cluster = o.text("targetGroupId"), o.text("targetClusterName")
	case "flex":
		project, cluster = o.text("targetProjectId"), o.text("targetDeploymentItemName")
		j.wireDelivery = o.text("deliveryType")
	case "legacy":
		project, cluster = o.text("delivery", "targetGroupId"), o.text("delivery", "targetClusterName")
		j.wireDelivery = o.text("delivery", "methodName")
	}
	j.deliveryType = deliveryType(j.backupType, j.wireDelivery, cluster != "", j.pointInTime != nil)
	if j.wireDelivery == "HTTP" && isUnreadableText(o.at("delivery", "targetClusterName")) {
		j.deliveryType = other // the job may restore into a cluster
	}
	if j.deliveryType != download { // "A download has no target."
		j.targetProject, j.targetCluster = project, cluster
	}
}

// deliveryType: "automated, RESTORE, AUTOMATED_RESTORE, every collection job, and legacy HTTP with a target cluster →
// automated; pointInTime, and a collection job with a point in time → point_in_time; download, DOWNLOAD, legacy HTTP,
// CLIENT_PIT_HTTP, QUERY → download; SCP, CLIENT_PIT_SCP, THIRD_PARTY_COPY, and undocumented values → other".
// So is an absent value. Each value counts for its own backup type only.
func deliveryType(backupType, value string, hasTargetCluster, hasPointInTime bool) string {
	switch backupType + " " + value {
	case "dedicated automated", "serverless automated", "flex RESTORE", "legacy AUTOMATED_RESTORE":
		return automated
	case "dedicated pointInTime", "serverless pointInTime":
		return pointInTime
	case "dedicated download", "serverless download", "flex DOWNLOAD", "legacy CLIENT_PIT_HTTP", "legacy QUERY":
		return download
	case "legacy HTTP":
		if hasTargetCluster {
			return automated
		}
		return download
	}
	if backupType == "collection" {
		if hasPointInTime {
			return pointInTime
		}
		return automated
	}
	return other
}

// purpose: "in_place (its target is its source cluster), drill (its target is in the configured drill_targets, [...]),
// or other (any other target, an unknown target, every download). A collection restore with writeStrategy: CREATE_NEW
// is never in place." The first match wins.
func purpose(s Settings, j job) string {
	switch {
	case j.deliveryType == download:
		return other
	case j.targetProject == s.ProjectID && j.targetCluster == s.ClusterName && !j.createNew:
		return "in_place"
	case isNamed(s.DrillTargets, j):
		return "drill"
	}
	return other
}

// isUnexpected: "A target is unexpected if no entry of allowed_targets names its project (and its cluster, if the entry
// lists clusters). A job of type automated, point_in_time, or other without a target is unexpected; a download never
// is. An empty list allows nothing".
func isUnexpected(s Settings, j job) bool {
	return j.deliveryType != download && !isNamed(s.AllowedTargets, j)
}

// isNamed returns whether an entry names the target of a job. If only the project is known, an entry without clusters
// names it.
func isNamed(rules []TargetRule, j job) bool {
	return slices.ContainsFunc(rules, func(r TargetRule) bool {
		if j.targetProject == "" || r.ProjectID != j.targetProject {
			return false
		}
		return len(r.ClusterNames) == 0 || slices.Contains(r.ClusterNames, j.targetCluster)
	})
}
