#!/bin/bash
# Plays the docker client, and a container that is this machine. Refuses what it was not told of.
# The directory of its state stands in the place of @STATE@.
state=@STATE@
refuse() { echo "stub: $*" >&2; exit 64; }
daemon() { echo "Error response from daemon: $*" >&2; exit 1; }
[ -e "$state/unreachable" ] && { echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1; }
[ -e "$state/forbidden" ] && { echo 'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: connect: permission denied' >&2; exit 1; }
# As a container has it: nothing of the client's environment, a session of its own.
inside() { exec setsid --wait env -i PATH="$PATH" HOME=/root CONTAINER_API_KEY=S3CRET "CANON_STUB=$state$1" "${@:2}"; }
running() {
  [ -e "$state/$1" ] || daemon "No such container: $1"
  [ "$(cat "$state/$1")" = running ] || daemon "container $1 is not running"
}
printf '%s\n' "$*" >>"$state/log"
verb=$1; shift
case $verb in
  info)
    [ "$*" = '--format {{.ServerVersion}} {{json .SecurityOptions}}' ] || refuse "info $*"
    echo "28.2.2 $(cat "$state/security" 2>/dev/null || echo '["name=seccomp,profile=builtin"]')" ;;
  image)
    [ "$#" = 4 ] && [ "$1 $2 $3" = 'inspect --format {{.Id}}' ] || refuse "image $*"
    [ "$4" = canon-test:1 ] || daemon "No such image: $4"
    echo sha256:0 ;;
  container)
    [ "$#" = 4 ] && [ "$1 $2 $3" = 'inspect --format {{.State.Running}} {{.State.Paused}} {{.State.ExitCode}} {{.State.OOMKilled}}' ] || refuse "container $*"
    [ -e "$state/$4" ] || daemon "No such container: $4"
    case $(cat "$state/$4") in
      running) echo 'true false 0 false' ;;
      oom) echo 'false false 137 true' ;;
      *) echo 'false false 3 false' ;;
    esac ;;
  run)
    printf '%s\0' "$@" >"$state/run"
    name= entry= labelled= init= rm=
    while [ "$#" -gt 0 ]; do
      case $1 in
        --interactive) ;;
        --rm) rm=1 ;;
        --init) init=1 ;;
        --name) name=$2; shift ;;
        --label) [ "$2" = "canon.environment=$name" ] || refuse "label $2"; labelled=1; shift ;;
        --entrypoint) entry=$2; shift ;;
        --pull) [ "$2" = never ] || refuse "pull $2"; shift ;;
        --mount) [[ $2 != *docker.sock* ]] || refuse "$2"; shift ;;
        --network|--ipc|--cap-drop|--security-opt|--user|--env|--memory|--memory-swap|--pids-limit|--cpus|--shm-size|--ulimit|--workdir) [ -n "$2" ] || refuse "$1"; shift ;;
        -*) refuse "unknown flag: $1" ;;
        *) break ;;
      esac
      shift
    done
    [ -n "$name$labelled$init$rm" ] && [ "$entry" = sh ] || refuse 'run without a name, a label, --init, --rm or --entrypoint'
    [ "$1" = canon-test:1 ] || { echo "Unable to find image '$1' locally" >&2; echo "docker: Error response from daemon: No such image: $1" >&2; exit 125; }
    [ "$2" = -c ] && [ "$#" = 3 ] || refuse "command $*"
    echo running >"$state/$name"
    inside "$name" sh -c "$3; rm -f '$state/$name'" ;;
  exec)
    [ "$1" = --interactive ] || refuse "exec $*"; shift
    [ "$1" = --user ] && { [ "$2" = tester ] || refuse "user $2"; shift 2; }
    name=$1; shift
    running "$name"
    [ "$#" = 3 ] && [ "$1 $2" = 'sh -c' ] || refuse "exec $*"
    [ -e "$state/shell-less" ] && { echo 'OCI runtime exec failed: exec failed: unable to start container process: exec: "sh": executable file not found in $PATH: unknown'; exit 127; }
    inside "$name" sh -c "$3" ;;
  rm)
    [ "$#" = 3 ] && [ "$1 $2" = '--force --volumes' ] || refuse "rm $*"
    [ -e "$state/$3" ] || daemon "No such container: $3"
    rm -f "$state/$3"
    grep -lzx "CANON_STUB=$state$3" /proc/[0-9]*/environ 2>/dev/null | sed 's|^/proc/||; s|/environ$||' | xargs -r kill -9
    echo "$3" ;;
  *) refuse "docker $verb $*" ;;
esac
