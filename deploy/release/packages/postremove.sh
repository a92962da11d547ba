#!/bin/sh
# Runs after the package was removed or upgraded, as root. The user is kept: files of the user may remain.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
