#!/bin/sh
# First half of a restore: the database as it was dumped in $BACKUPS/$BACKUP, all of it or nothing.
set -eu
dump="$BACKUPS/${BACKUP:-latest}/database.dump"
[ -f "$dump" ] || { echo "no backup $dump; there are: $(ls "$BACKUPS" | tr '\n' ' ')" >&2; exit 1; }
open=$(psql --tuples-only --no-align --command "select count(*) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'")
[ "$open" = 0 ] || { echo "database $PGDATABASE: $open connections are open, stop MLflow first; nothing was put back" >&2; exit 1; }
# A file, not a pipe: what breaks off half-way must not be committed.
trap 'rm -f "$BACKUPS/restore.sql"' EXIT
pg_restore --no-owner --no-privileges --file="$BACKUPS/restore.sql" "$dump"
psql --quiet --output=/dev/null --set=ON_ERROR_STOP=1 --single-transaction \
  --command='set client_min_messages = warning' \
  --command='drop schema public cascade' --command='create schema public authorization pg_database_owner' \
  --file="$BACKUPS/restore.sql"
echo "database $PGDATABASE: as in $dump"
