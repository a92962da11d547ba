#!/usr/bin/env bash
# Releases a clone of the last commit twice and compares the bytes. Then installs the deb in a new Debian system (a
# directory), runs the commands of its units with a simulated Atlas API, and upgrades and removes it. Needs root and
# debootstrap. DEBIAN_ROOT is an existing system to copy instead.
set -euo pipefail
project=$(cd "$(dirname "$0")/../../.." && pwd)
tools=${TOOLS:-$project/.cache/tools}
work=$(mktemp -d)
end() {
  jobs -p | xargs --no-run-if-empty kill 2>/dev/null || true
  wait
  umount "$work/debian/proc" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap end EXIT
arch=$(dpkg --print-architecture)
config=/etc/atlas-restore-exporter/config.yaml
units=/usr/lib/systemd/system

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
echo "# Another comment." >>"$work/one/config.example.yaml"
git -C "$work/one" -c user.name=a -c user.email=a@example.net commit --quiet --all --message=next
release "$work/one" v1.0.1 >/dev/null

echo "== a Debian system"
debian=$work/debian
if [ -n "${DEBIAN_ROOT:-}" ]; then
  cp -a "$DEBIAN_ROOT" "$debian"
else
  debootstrap --variant=minbase bookworm "$debian" >"$work/log" || { cat "$work/log" >&2; fail debootstrap; }
fi
mount -t proc proc "$debian/proc"
in_debian=(chroot "$debian" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  DEBIAN_FRONTEND=noninteractive CREDENTIALS_DIRECTORY=/run/credentials)
as_exporter=("${in_debian[@]}" setpriv --reuid=atlas-restore-exporter --regid=atlas-restore-exporter --clear-groups)

# No systemd runs in the directory: systemctl only records its arguments.
mkdir -p "$debian/run/systemd/system"
printf '#!/bin/sh\necho "$*" >>/tmp/systemctl\n' >"$debian/usr/bin/systemctl"
chmod 755 "$debian/usr/bin/systemctl"
expect_systemctl() { # expect_systemctl WANT, since the last call
  expect "$1" "$(cat "$debian/tmp/systemctl")" systemctl
  rm "$debian/tmp/systemctl"
}

install_version() { # installs a version, and keeps a configuration that was edited
  cp "$work/$1"/*.deb "$debian/tmp/exporter.deb"
  "${in_debian[@]}" dpkg --install --force-confold /tmp/exporter.deb
  "${in_debian[@]}" atlas-restore-exporter --version | grep -F "$1"
  expect_systemctl "daemon-reload
try-restart atlas-restore-exporter.service atlas-restore-report.timer"
  expect "640 root:atlas-restore-exporter" "$("${in_debian[@]}" stat -c '%a %U:%G' $config)" "owner of $config"
}

serve() { # serve WHAT COMMAND...: runs the exporter as the user of the package until it is ready
  "${as_exporter[@]}" "${@:2}" --web.listen-address=127.0.0.1:10059 >"$work/log" 2>&1 &
  local pid=$!
  for _ in $(seq 100); do
    if ready=$("${as_exporter[@]}" atlas-restore-exporter health --url=http://127.0.0.1:10059/-/ready 2>&1); then
      break
    fi
    sleep 0.2
  done
  kill "$pid" && wait "$pid" || true
  grep -q '^healthy' <<<"$ready" || { cat "$work/log" >&2; fail "$1 isn't ready: $ready"; }
  echo "$1 is ready"
}

command_of() { # command_of UNIT
  sed -n 's/^ExecStart=//p' "$debian$units/$1"
}

echo "== install"
install_version v1.0.0
expect "atlas-restore-exporter" "$("${in_debian[@]}" id -un atlas-restore-exporter)" user
"${in_debian[@]}" dpkg --verify atlas-restore-exporter
for unit in atlas-restore-exporter.service atlas-restore-report.service atlas-restore-report.timer; do
  expect "644 root:root" "$("${in_debian[@]}" stat -c '%a %U:%G' $units/$unit)" "owner of $unit"
done
expect "" "$(find "$debian/etc/systemd" -name 'atlas-restore-*')" "list of enabled units"
serve "the demo" atlas-restore-exporter demo

echo "== configure, as docs/deployment.md describes it, with a simulated Atlas API"
go -C "$work/one/internal/benchmark" build -o "$work/atlas" .
"$work/atlas" -clusters 20 -listen 127.0.0.1:10060 simulate &
mkdir -p "$debian/run/credentials"
printf secret >"$debian/run/credentials/client-secret"
chmod 400 "$debian/run/credentials/client-secret"
"${in_debian[@]}" chown atlas-restore-exporter /run/credentials/client-secret
cat >"$debian$config" <<'YAML'
atlas: {base_url: "http://127.0.0.1:10060"}
credentials:
  default:
    service_account:
      client_id: id
      client_secret_file: ${CREDENTIALS_DIRECTORY}/client-secret
projects:
  - discovery: {}
YAML
"${as_exporter[@]}" atlas-restore-exporter check --config.file=$config
read -ra serve_command <<<"$(command_of atlas-restore-exporter.service)"
serve "the exporter" "${serve_command[@]}"
"${in_debian[@]}" install -d -o atlas-restore-exporter /var/lib/atlas-restore-reports
read -ra report_command <<<"$(command_of atlas-restore-report.service)"
"${as_exporter[@]}" "${report_command[@]}"
grep -l "<html" "$debian"/var/lib/atlas-restore-reports/atlas-restores-*.html

echo "== upgrade"
before=$(sha256sum <"$debian$config")
install_version v1.0.1
expect "$before" "$(sha256sum <"$debian$config")" "the configuration after the upgrade"
"${as_exporter[@]}" atlas-restore-exporter check --config.file=$config
serve "the exporter" "${serve_command[@]}"

echo "== remove"
"${in_debian[@]}" dpkg --remove atlas-restore-exporter
expect_systemctl "disable --now atlas-restore-exporter.service atlas-restore-report.timer
stop atlas-restore-report.service
daemon-reload"
expect "$before" "$(sha256sum <"$debian$config")" "the configuration after the removal"
expect "" "$(find "$debian$units" "$debian/usr/bin" -name 'atlas-restore-*')" "list of remaining files"
"${in_debian[@]}" dpkg --purge atlas-restore-exporter
[ ! -e "$debian$config" ] || fail "purging the package kept the configuration"

echo "== install without a configuration that was deleted"
install_version v1.0.0
rm "$debian$config"
cp "$work/v1.0.1"/*.deb "$debian/tmp/exporter.deb"
"${in_debian[@]}" dpkg --install --force-confold /tmp/exporter.deb
[ ! -e "$debian$config" ] || fail "an upgrade created a configuration that was deleted"
echo "== packages: all passed"
