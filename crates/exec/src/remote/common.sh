nl='
'
printf '\036S%s\036' "$n"
printf '\036S%s\036' "$n" >&2
end() {
  printf '\036E%s %s\036' "$n" "$1"
  printf '\036E%s %s\036' "$n" "$1" >&2
  exit 0
}
