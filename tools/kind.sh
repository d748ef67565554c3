#!/usr/bin/env bash
# A cluster by kind with our image on its nodes: up | e2e | down. It needs docker, kind, and for e2e helm and kubectl.
# Never run by the tests of this repository, which have no docker: they run it with stand-ins for these programs, and let
# kind itself read kind-config.yaml.
set -euo pipefail
cd "$(dirname "$0")/.."
cluster=ticklock context=kind-ticklock namespace=ticklock-system
image=ghcr.io/ticklock/ticklock:$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

need() {
  missing=()
  for program in "$@"; do command -v "$program" >/dev/null || missing+=("$program"); done
  if [ ${#missing[@]} != 0 ]; then
    echo "kind: missing on PATH: ${missing[*]}; nothing was done. Without docker: make e2e (as root on Linux)" >&2
    exit 1
  fi
  if ! docker info >/dev/null 2>&1; then
    echo "kind: docker is on PATH, and its daemon does not answer (docker info); nothing was done" >&2
    exit 1
  fi
}

up() {
  need docker kind
  docker build --tag "$image" .
  clusters=$(kind get clusters)
  grep -qx "$cluster" <<<"$clusters" || kind create cluster --config kind-config.yaml
  kind load docker-image "$image" --name "$cluster"
}

down() {
  need docker kind
  kind delete cluster --name "$cluster"
}

# A cluster of its own: what is there before is neither used nor removed.
e2e() {
  need docker kind helm kubectl
  clusters=$(kind get clusters)
  if grep -qx "$cluster" <<<"$clusters"; then
    echo "kind: there is a cluster $cluster already, and this removes the one that it makes: make kind-down first" >&2
    exit 1
  fi
  trap 'kind delete cluster --name "$cluster"' EXIT
  up
  helm install ticklock charts/ticklock --kube-context "$context" --namespace "$namespace" --create-namespace --wait
  helm test ticklock --kube-context "$context" --namespace "$namespace"
  kubectl --context "$context" apply -f examples/03-every-ten-seconds.yaml
  kubectl --context "$context" wait sjob/every-ten-seconds --for=jsonpath='{.status.lastRun.state}'=Completed --timeout=90s
  helm uninstall ticklock --kube-context "$context" --namespace "$namespace"
  kubectl --context "$context" delete namespace "$namespace" --timeout=60s
}

case ${1:-} in
up | down | e2e) "$1" ;;
*) echo "usage: tools/kind.sh up | e2e | down" >&2 && exit 2 ;;
esac
