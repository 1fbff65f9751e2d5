LC_ALL=C TZ=UTC0
export LC_ALL TZ
if stat -c %n / >/dev/null 2>&1; then
  flag=-c facts="R$n %f %s %Y %y|%n" owned='%a %u:%g'
else
  flag=-f facts="R$n %Xp %z %m %Fm|%N" owned='%Mp%Lp %u:%g'
fi
there() { ls -ldL -- "$1" >/dev/null || end fail; }
regular() {
  there "$1"
  [ ! -d "$1" ] || end is-directory
  [ -f "$1" ] || end not-a-file
}
parent() {
  d=${1%/*}
  mkdir -p -- "${d:-/}" || end fail
}
# exists PATH
do_exists() { there "$1"; end ok; }
# facts PATH
do_facts() { stat -L "$flag" "$facts" -- "$1" || end fail; end ok; }
# read PATH MAX
do_read() {
  regular "$1"
  s=$(wc -c <"$1") || end fail
  [ $((s)) -le "$2" ] || end "large $((s))"
  cat -- "$1" || end fail
  end ok
}
# write PATH SIZE TEMPORARY-NAME; the content follows on standard input
do_write() {
  f=$1 i=0
  while [ -L "$f" ]; do
    i=$((i + 1))
    if [ "$i" -gt 40 ]; then echo 'Too many levels of symbolic links' >&2; end fail; fi
    l=$(readlink -- "$f" && echo x) || end fail
    l=${l%x}
    l=${l%"$nl"}
    case $l in
      /*) f=$l ;;
      *) f=${f%/*}/$l ;;
    esac
  done
  old=new
  if [ -e "$f" ]; then regular "$f"; old=old; fi
  parent "$f"
  t=$d/$3
  trap 'rm -f -- "$t"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
  set -C
  if [ $old = old ]; then ( umask 077; cat >"$t" ) || end fail
  else cat >"$t" || end fail; fi
  s=$(wc -c <"$t") || end fail
  if [ $((s)) -ne "$2" ]; then echo 'only a part of it arrived' >&2; end fail; fi
  if [ $old = old ]; then
    was=$(stat -L "$flag" "$owned" -- "$f") || end fail
    is=$(stat -L "$flag" "$owned" -- "$t") || end fail
    [ "${was#* }" = "${is#* }" ] || chown "${was#* }" "$t" 2>/dev/null
    chmod "${was%% *}" "$t" || end fail
  fi
  mv -f -- "$t" "$f" || end fail
  end "ok $old"
}
# stage PATH SIZE; the content follows on standard input
do_stage() {
  t=$1
  umask 077
  set -C
  cat >"$t" || end fail
  s=$(wc -c <"$t") || end fail
  if [ $((s)) -ne "$2" ]; then rm -f -- "$t"; echo 'only a part of it arrived' >&2; end fail; fi
  end ok
}
# remove PATH
do_remove() {
  if [ ! -L "$1" ]; then
    there "$1"
    [ ! -d "$1" ] || end is-directory
  fi
  rm -f -- "$1" || end fail
  end ok
}
# rename FROM TO
do_rename() {
  [ -L "$1" ] || there "$1"
  parent "$2"
  if [ -L "$2" ]; then rm -f -- "$2" || end fail
  elif [ -d "$2" ]; then
    if [ -L "$1" ] || [ ! -d "$1" ]; then end is-directory; fi
    rmdir -- "$2" || end fail
  fi
  mv -f -- "$1" "$2" || end fail
  end ok
}
# list PATH DEPTH
do_list() {
  there "$1"
  [ -d "$1" ] || end not-a-directory
  ls -- "$1" >/dev/null || end fail
  cd -- "$1" || end fail
  find . -maxdepth "$2" -exec stat "$flag" "$facts" -- {} + 2>/dev/null
  end ok
}
# walk PATH HIDDEN
do_walk() {
  there "$1"
  if [ ! -d "$1" ]; then
    stat -L "$flag" "$facts" -- "$1" || end fail
    end file
  fi
  cd -- "$1" || end fail
  if [ "$2" = yes ]; then
    find . -name .git -prune -o -type f -exec stat "$flag" "$facts" -- {} + 2>/dev/null
  else
    find . -name .git -prune -o -name '.?*' -type d -prune -o -type f \
      \( ! -name '.?*' -o -name .gitignore -o -name .ignore \) \
      -exec stat "$flag" "$facts" -- {} + 2>/dev/null
  fi
  end directory
}
# fetch; absolute paths, each followed by NUL, on standard input
do_fetch() {
  xargs -0 sh -c 'n=$1; shift
    for f; do
      if [ -f "$f" ] && [ ! -L "$f" ] && [ -r "$f" ]; then
        printf "\036F%s %s\036" "$n" "$f"
        cat -- "$f"
      fi
    done' sh "$n" || end fail
  end ok
}
# about DIRECTORY
do_about() {
  there "$1"
  [ -d "$1" ] || end not-a-directory
  cd -- "$1" || end fail
  pwd -P
  uname -s
  uname -r
  sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null | head -n 1 | tr -d '"'
  echo
  unset LC_ALL TZ
  env
  end ok
}
