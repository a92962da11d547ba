#!/bin/sh
# Runs before the package is removed or upgraded, as root. dpkg passes "remove" or "upgrade", rpm the number of versions
# that remain.
set -e
case "$1" in
remove | 0)
  if [ -d /run/systemd/system ]; then
    systemctl disable --now atlas-restore-exporter.service atlas-restore-report.timer
    systemctl stop atlas-restore-report.service
  fi
  ;;
esac
