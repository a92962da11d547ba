#!/usr/bin/env bash
# Releases a clone of the last commit twice and compares the bytes. Then installs, upgrades, and removes the deb in a new
# Debian system (a directory). Needs root and debootstrap. DEBIAN_ROOT is an existing system to copy instead.
set -euo pipefail
project=$(cd "$(dirname "$0")/../../.." && pwd)
tools=${TOOLS:-$project/.cache/tools}
work=$(mktemp -d)
trap 'umount "$work/debian/proc" 2>/dev/null || true; rm -rf "$work"' EXIT
arch=$(dpkg --print-architecture)
config=/etc/atlas-restore-exporter/config.yaml
unit=/usr/lib/systemd/system/atlas-restore-exporter.service

fail() {
  echo "packages: $*" >&2
  exit 1
}

expect() { # expect WANT GOT WHAT
  [ "$1" = "$2" ] || fail "$3 is $2, want $1"
}

# release DIRECTORY TAG copies the files for this machine to $work/TAG, and prints the checksums of all files.
release() {
  git -C "$1" -c user.name=a -c user.email=a@example.net tag -f "$2" >/dev/null
  make -C "$1" TOOLS="$tools" release >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "make release"; }
  (cd "$1/dist" && sha256sum --quiet --check SHA256SUMS) || fail "SHA256SUMS"
  mkdir -p "$work/$2"
  cp "$1"/dist/*_linux_"$arch".deb "$work/$2"
  cat "$1/dist/SHA256SUMS"
}

echo "== two releases of the same tag"
git clone --quiet "$project" "$work/one"
git clone --quiet "$project" "$work/another-place"
first=$(release "$work/one" v1.0.0)
second=$(umask 077 && release "$work/another-place" v1.0.0)
[ "$first" = "$second" ] || fail "the releases differ:
$(diff <(echo "$first") <(echo "$second"))"
echo "$first"

echo "== the next release"
git -C "$work/one" -c user.name=a -c user.email=a@example.net commit --quiet --allow-empty --message=next
release "$work/one" v1.0.1 >/dev/null

echo "== a Debian system"
debian=$work/debian
if [ -n "${DEBIAN_ROOT:-}" ]; then
  cp -a "$DEBIAN_ROOT" "$debian"
else
  debootstrap --variant=minbase bookworm "$debian" >"$work/log" || { cat "$work/log" >&2; fail debootstrap; }
fi
mount -t proc proc "$debian/proc"
in_debian() { chroot "$debian" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
as_exporter() { in_debian setpriv --reuid=atlas-restore-exporter --regid=atlas-restore-exporter --clear-groups "$@"; }
install_version() {
  cp "$work/$1"/*.deb "$debian/tmp/exporter.deb"
  in_debian DEBIAN_FRONTEND=noninteractive dpkg --install /tmp/exporter.deb
}
serve_demo() { # serves the demo until its status page can be read, as the package's user
  as_exporter atlas-restore-exporter demo --web.listen-address=127.0.0.1:10059 >"$work/demo" 2>&1 &
  local pid=$!
  for _ in $(seq 50); do
    if as_exporter atlas-restore-exporter health --url=http://127.0.0.1:10059/-/healthy >"$work/health" 2>&1; then
      break
    fi
    sleep 0.2
  done
  kill "$pid" && wait "$pid" || true
  cat "$work/health"
  grep -q '^healthy' "$work/health" || { cat "$work/demo" >&2; fail "the installed exporter isn't healthy"; }
}

echo "== install"
install_version v1.0.0
expect "atlas-restore-exporter" "$(in_debian id -un atlas-restore-exporter)" user
expect "640 root:atlas-restore-exporter" "$(in_debian stat -c '%a %U:%G' $config)" "owner of $config"
expect "644" "$(in_debian stat -c %a $unit)" "mode of $unit"
in_debian dpkg --verify atlas-restore-exporter
in_debian atlas-restore-exporter --version | grep -F v1.0.0
serve_demo

echo "== check the configuration as the user of the unit"
as_exporter cat $config >/dev/null
in_debian sh -c "printf 'secret-of-the-test' > /etc/atlas-restore-exporter/client-secret"
chroot "$debian" chown atlas-restore-exporter /etc/atlas-restore-exporter/client-secret
cat >"$debian$config" <<'YAML'
credentials:
  default:
    service_account:
      client_id: mdb_sa_id_0123456789abcdef01234567
      client_secret_file: client-secret
projects:
  - id: 32b6e34b3d91647abb20e7b8
    clusters:
      - {name: prod-eu, backup_types: [dedicated]}
YAML
as_exporter atlas-restore-exporter check --offline --config.file=$config

echo "== upgrade"
before=$(sha256sum <"$debian$config")
install_version v1.0.1
expect "$before" "$(sha256sum <"$debian$config")" "the configuration after the upgrade"
expect "640 root:atlas-restore-exporter" "$(in_debian stat -c '%a %U:%G' $config)" "owner of $config"
in_debian atlas-restore-exporter --version | grep -F v1.0.1
as_exporter atlas-restore-exporter check --offline --config.file=$config
serve_demo

echo "== remove"
in_debian dpkg --remove atlas-restore-exporter
[ -e "$debian$config" ] || fail "removing the package removed the configuration"
[ ! -e "$debian$unit" ] && [ ! -e "$debian/usr/bin/atlas-restore-exporter" ] || fail "files of the package remain"
in_debian dpkg --purge atlas-restore-exporter
[ ! -e "$debian$config" ] || fail "purging the package kept the configuration"
echo "== packages: all passed"
