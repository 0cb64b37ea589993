#!/bin/sh
# Carry out a generated compose file to its end: docker/run.sh docker/compose.digits.yaml
#
# Exit code 0: every step is done, and the MLflow run is FINISHED. 1: a step failed; the last line says why, the MLflow
# run is FAILED, and the same command goes on where it stood. `up --detach` comes back when the last service starts,
# which waits for all others; an attached `up` would not tell.
set -u
[ $# -eq 1 ] && [ -f "$1" ] || { echo "usage: $0 docker/compose.EXPERIMENT.yaml" >&2; exit 2; }
if docker compose version >/dev/null 2>&1; then tool="docker compose"; else tool=docker-compose; fi
base=$(dirname "$0")/compose.yaml
compose() { $tool -f "$base" -f "$file" "$@"; }
file=$1

if compose up --detach; then
  closing=$(compose ps --all --quiet close-run)
  code=$(docker wait "$closing")
  docker logs --tail 1 "$closing" >&2
  exit "$code"
fi
compose config --quiet >/dev/null 2>&1 || exit 1
compose run --rm --no-deps close-run close-run FAILED
for container in $(compose ps --all --quiet); do
  case $(docker inspect --format '{{.HostConfig.RestartPolicy.Name}} {{.State.Status}} {{.State.ExitCode}}' "$container") in
    "unless-stopped "* | *" exited 0" | *" running "* | *" created "*) ;;
    *) echo "$(docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}}' "$container"): $(docker logs --tail 1 "$container" 2>&1)" >&2 ;;
  esac
done
exit 1
