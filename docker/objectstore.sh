#!/bin/sh
# Serve the folders of /data as S3 buckets on port 8333; the keys come from the environment, not the command line.
set -eu
pair="${AWS_ACCESS_KEY_ID:?set it to the access key to ask for},${AWS_SECRET_ACCESS_KEY:?set it to the secret key to ask for}"
export RCLONE_AUTH_KEY="\"$pair\""
exec rclone serve s3 /data --addr :8333 "$@"
