#!/usr/bin/env bash
# Publishes the container image or the chart of the tag that is checked out, and signs its digest with the identity of the
# workflow. Prints the digest as an output of a workflow step. `go run ./deploy/release/home` prints the addresses.
# usage: publish.sh image ghcr.io/OWNER/NAME v1.2.3
#        publish.sh chart ghcr.io/OWNER/charts/NAME v1.2.3
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/.cache/tools/bin:$PATH"
kind=$1 address=$2 tag=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "publish: $*" >&2
  exit 1
}

[[ $tag =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail "tag $tag: must have the form v1.2.3"
commit=$(git rev-parse HEAD)
[ "$commit" = "$(git rev-parse "$tag^{commit}")" ] || fail "tag $tag isn't checked out"

case $kind in
  image)
    # The Dockerfile cross-compiles, so the build needs no emulation.
    docker buildx build --platform=linux/amd64,linux/arm64 --file=deploy/docker/Dockerfile \
      --build-arg="VERSION=$tag" --build-arg="REVISION=$commit" --build-arg="CREATED=$(git log -1 --format=%cI)" \
      --sbom=true --provenance=mode=max --tag="$address:$tag" --push --metadata-file="$work/metadata" . >&2
    digest=$(sed -n 's/.*"containerimage\.digest": *"\([^"]*\)".*/\1/p' "$work/metadata")
    ;;
  chart)
    helm package deploy/kubernetes/chart --version="${tag#v}" --app-version="$tag" --destination="$work" >&2
    helm push "$work"/*.tgz "oci://${address%/*}" 2>&1 | tee "$work/output" >&2
    digest=$(sed -n 's/^Digest: *//p' "$work/output")
    ;;
  *) fail "$kind: must be image or chart" ;;
esac
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || fail "the registry returned the digest \"$digest\""
# The signature of an image includes the images of its platforms.
cosign sign --yes --recursive "$address@$digest" >&2
echo "digest=$digest"
