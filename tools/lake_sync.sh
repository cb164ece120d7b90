#!/bin/bash
# lake_sync.sh: bring an exported lake to an object store (GCS, S3, Azure, another
# machine: whatever rclone knows), changed files only.
#
# usage: lake_sync.sh FOLDER REMOTE:BUCKET/PATH [RCLONE OPTION...]
#   lake_sync.sh /var/lib/hospital/lake/export/hospital/jsonl.gz gcs:my-bucket/hospital/jsonl.gz
#
# Data first, manifests after it, and what is gone is removed last: whoever reads
# a manifest in the bucket finds its files there.  Exports that are not complete
# are a later run's.  Temporary files stay at home.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,11s/^# \?//p' "$0" >&2; exit 2; }
command -v rclone >/dev/null || { echo "rclone is not installed (Debian: apt-get install rclone)" >&2; exit 1; }
folder=$1 remote=$2
shift 2
[ -d "$folder" ] || { echo "there is no folder $folder" >&2; exit 1; }

if grep -l '"complete": false' "$folder"/*.manifest.json 2>/dev/null; then
    echo "these exports are not complete: try again after them" >&2
    exit 1
fi
rclone copy "$folder" "$remote" --exclude '.*' --exclude '*.manifest.json' "$@"
rclone copy "$folder" "$remote" --include '/*.manifest.json' "$@"
rclone sync "$folder" "$remote" --exclude '.*' "$@"
