#!/bin/sh
# First half of a backup: the database into $BACKUPS/incoming. The PG names and the password come from the environment.
set -eu
rm -rf "$BACKUPS/incoming"
mkdir -p "$BACKUPS/incoming"
pg_dump --format=custom --no-owner --no-privileges --file="$BACKUPS/incoming/database.dump"
echo "database $PGDATABASE: dumped, $(wc -c < "$BACKUPS/incoming/database.dump") bytes"
