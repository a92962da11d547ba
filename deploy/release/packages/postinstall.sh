#!/bin/sh
# Runs after the package was installed or upgraded, as root.
set -e
user=atlas-restore-exporter

if ! getent passwd "$user" >/dev/null; then
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
fi
# The configuration may contain names of projects and clusters: only root and the exporter read it. An upgrade doesn't
# create it again if the administrator has deleted it.
config=/etc/atlas-restore-exporter/config.yaml
if [ -e "$config" ]; then
  chgrp "$user" "$config"
fi

# The exporter needs credentials before its first start, so the package starts nothing. An upgrade restarts what is
# active, except a report in progress.
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart atlas-restore-exporter.service atlas-restore-report.timer
fi
