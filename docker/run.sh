#!/bin/sh
# Carry out a generated compose file to its end: docker/run.sh docker/compose.digits.yaml
#
# Exit code 0: every step is done, and the MLflow run is FINISHED. 1: something failed; the last line says what and why,
# below the end of its log, the MLflow run is FAILED, and the same command goes on where it stood.
# The servers come first, so that one that never answers is told and not waited for without end. `up --detach` comes
# back when the last service starts, which waits for all others; an attached `up` would not tell.
set -u
[ $# -eq 1 ] && [ -f "$1" ] || { echo "usage: $0 docker/compose.EXPERIMENT.yaml" >&2; exit 2; }
if docker compose version >/dev/null 2>&1; then tool="docker compose"; else tool=docker-compose; fi
base=$(dirname "$0")/compose.yaml
compose() { $tool -f "$base" -f "$file" "$@"; }
look() { docker inspect --format "$2" "$1"; }
health='{{.State.Status}}{{if .State.Health}} {{.State.Health.Status}}{{end}}'
file=$1
settings=$(dirname "$0")/.env
secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
if [ ! -e "$settings" ] && [ -z "${POSTGRES_PASSWORD:-}" ]; then
  fill="s/^POSTGRES_PASSWORD=$/&$(secret)/; s/^OBJECTSTORE_SECRET_KEY=$/&$(secret)/"
  (umask 077 && sed "$fill" "$settings.example" >"$settings")
  echo "$settings: made from .env.example, with new passwords" >&2
fi

# serving SERVICE...: start servers and wait until they answer, as long as their own health checks give them to start.
serving() {
  compose up --detach --no-deps "$@" || return
  for service in "$@"; do
    container=$(compose ps --all --quiet "$service")
    patience=$(look "$container" '{{if .Config.Healthcheck}}{{.Config.Healthcheck.StartPeriod.Seconds}}{{else}}0{{end}}')
    last=$(($(date +%s) + patience)) restarts=$(look "$container" '{{.RestartCount}}')
    while :; do
      case $(look "$container" "$health") in "running healthy" | running) break ;; exited* | dead*) return 1 ;; esac
      [ "$(date +%s)" -lt "$last" ] && [ $(($(look "$container" '{{.RestartCount}}') - restarts)) -lt 2 ] || return
      sleep 1
    done
  done
}

# reason CONTAINER: why it stands in the way of the run; nothing if it does not.
reason() {
  state=$(look "$1" "$health") code=$(look "$1" '{{.State.ExitCode}}')
  case "$(look "$1" '{{.HostConfig.RestartPolicy.Name}}') ${state%% *} $code" in
    *" created "*) look "$1" '{{.State.Error}}' ;;
    "unless-stopped "*)
      case $state in running | "running healthy") return ;; esac
      echo "does not answer ($state, last exit code $code, restarts: $(look "$1" '{{.RestartCount}}'))" ;;
    *" running "* | *" exited 0") ;;
    *" 137")
      if [ "$(look "$1" '{{.State.OOMKilled}}')" = true ]; then
        echo "killed (exit code 137) for using more memory than it may: give it more, or lower batch_size"
      else
        echo "killed (exit code 137), from outside or because this machine ran out of memory (dmesg says)"
      fi ;;
    *" 143") echo "stopped (exit code 143)" ;;
    *) docker logs --tail 1 "$1" 2>&1 ;;
  esac
}

failed() {
  compose run --rm --no-deps --entrypoint sh close-run \
    -c 'exec prunegap close-run FAILED --workspace="runs/$PRUNEGAP_PIPELINE_RUN"'
  for container in $(compose ps --all --quiet); do
    why=$(reason "$container")
    [ -n "$why" ] || continue
    service=$(look "$container" '{{index .Config.Labels "com.docker.compose.service"}}')
    docker logs --tail 10 "$container" 2>&1 | sed "s/^/$service | /" >&2
    reasons="${reasons:+$reasons
}$service: $why"
  done
  echo "${reasons:-compose: see its message above}" >&2
  exit 1
}

compose config --quiet || exit 1
serving postgres objectstore && serving mlflow && compose up --detach || failed
closing=$(compose ps --all --quiet close-run)
[ "$(docker wait "$closing")" = 0 ] || failed
docker logs --tail 1 "$closing" >&2
