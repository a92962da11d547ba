#!/bin/sh
# Runs after the package was removed or upgraded, as root. dpkg passes "remove" or "upgrade", rpm the number of versions
# that remain. The user is kept: files of the user may remain.
set -e
case "$1" in
remove | 0)
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
  fi
  ;;
esac
