#!/bin/sh
# Runs after the package was installed or upgraded, as root.
set -e
user=atlas-restore-exporter

if ! getent passwd "$user" >/dev/null; then
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
fi
# The configuration may contain names of projects and clusters: only root and the exporter read it.
chgrp "$user" /etc/atlas-restore-exporter/config.yaml

# The exporter needs credentials before its first start, so the package doesn't start it. An upgrade restarts an exporter
# that is running.
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart atlas-restore-exporter.service
fi
