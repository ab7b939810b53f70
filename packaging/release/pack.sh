#!/usr/bin/env bash
# Packs what is shipped beside the wheel: packaging/release/pack.sh ADDRESS-OF-THE-TREE FOLDER. Alarms then lead to pages at that address.
set -euo pipefail
tree=${1:?address of the tree} out=$(realpath "${2:?folder}")
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r packaging "$folder/lrt-oracle-packaging"
sed -i "s|runbook_url: docs/|runbook_url: $tree/docs/|" "$folder"/lrt-oracle-packaging/prometheus/rules*/*.yml
find "$folder" -name __pycache__ -prune -exec rm -rf {} +
time=$(git log -1 --format=%ct)
tar --sort=name --mtime="@$time" --owner=0 --group=0 --numeric-owner -C "$folder" -cf - lrt-oracle-packaging | gzip -n > "$out/lrt-oracle-packaging.tar.gz"
