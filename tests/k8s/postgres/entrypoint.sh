# Makes the database on an empty folder, as the public image does where it is not root, and starts it.
set -eu
mkdir -p "$PGDATA"
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
  # shellcheck disable=SC2086 # several arguments
  initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile=/tmp/password ${POSTGRES_INITDB_ARGS:-} > /tmp/initdb.log
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  pg_ctl --pgdata="$PGDATA" --wait --options="-c listen_addresses='' -k /tmp" --log=/tmp/first.log start > /tmp/start.log
  psql --host=/tmp --username="$POSTGRES_USER" --dbname=postgres --quiet --command="create database \"$POSTGRES_DB\""
  pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop > /tmp/stop.log
fi
exec "$@" -D "$PGDATA" -c listen_addresses='*' -k /var/run/postgresql
