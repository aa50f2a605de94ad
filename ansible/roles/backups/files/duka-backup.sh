#!/bin/bash
# Saves the shop and writes down how it went.
#   duka-backup full|diff         the database, and the files
#   duka-backup files             the files alone
#   duka-backup restic N ARGS…    restic on the files' repository N
set -uo pipefail
# Which repositories, what else to save, for how long, and where to write how it went.
repositories=() files=() files_days=28 status='' stanza=''
# shellcheck source=/dev/null
. /etc/duka-backup/settings

on_files() {  # NUMBER ARGS…
  local number=$1
  shift
  (
    set -a
    # shellcheck source=/dev/null
    . "/etc/duka-backup/files-$number.env"
    # Old ones do not read it from there.
    exec restic --quiet ${RESTIC_CACERT:+--cacert="$RESTIC_CACERT"} "$@"
  )
}

on_database() {
  setpriv --reuid=postgres --regid=postgres --init-groups -- \
    env HOME=/var/lib/postgresql pgbackrest --stanza="$stanza" "$@"
}

failures=()
# One place that cannot be reached is no reason to leave the other without a backup.
try() {
  local said why
  echo "+ $*"
  if said=$("$@" 2>&1); then
    [ -z "$said" ] || printf '%s\n' "$said"
    return
  fi
  printf '%s\n' "$said"
  why=$(grep -m1 -oE '(ERROR|Fatal).*' <<<"$said") || why=$(tail -n1 <<<"$said")
  failures+=("$why")
}

save_database() {
  local number
  for number in "${repositories[@]}"; do
    try on_database --repo="$number" --type="$1" backup
  done
  # That WAL arrives as well, in all places.
  try on_database check
}

save_files() {
  local number present=() path
  for path in "${files[@]}"; do
    [ ! -e "$path" ] || present+=("$path")
  done
  ((${#present[@]})) || return 0
  for number in "${repositories[@]}"; do
    # Locks of a run that was killed.
    try on_files "$number" unlock
    try on_files "$number" backup --host=duka "${present[@]}"
  done
}

forget_files() {
  local number
  for number in "${repositories[@]}"; do
    try on_files "$number" forget --host=duka --group-by=host \
      --keep-within="${files_days}d" --prune
  done
}

# Of files alone: that they failed is told, that they worked again gives what was said of the database.
tell() {  # KIND OK
  local error
  # What could not stand in a JSON string is left out.
  error=$(IFS=';'; tr -cd '[:print:]' <<<"${failures[*]-}" | tr -d '\042\134')
  printf '{"finished_at": "%s", "tool": "pgbackrest", "kind": "%s", "ok": %s, "error": "%s"}\n' \
    "$(date --utc +%Y-%m-%dT%H:%M:%SZ)" "$1" "$2" "$error" >"$status.new"
  chmod 0644 "$status.new"
  [ "$1" = files ] || cp --preserve=mode "$status.new" "$status.database"
  mv "$status.new" "$status"
}

tell_of_database() {
  [ -e "$status.database" ] || return 0
  cp --preserve=mode "$status.database" "$status.new"
  mv "$status.new" "$status"
}

kind=${1:-}
case $kind in
  restic)
    shift
    on_files "$@"
    exit
    ;;
  full | diff | files) ;;
  *)
    echo "usage: duka-backup full|diff|files" >&2
    exit 2
    ;;
esac

# One at a time; the second waits.
exec 9</etc/duka-backup
flock 9
if [ -e /etc/duka-backup/ours ]; then
  [ "$kind" = files ] || save_database "$kind"
  save_files
  [ "$kind" = files ] || forget_files
else
  failures+=("The repository holds another cluster's backups: restore.yml, or move them away")
fi

if ((${#failures[@]})); then
  tell "$kind" false
  printf 'FAILED: %s\n' "${failures[@]}" >&2
  exit 1
fi
if [ "$kind" = files ]; then tell_of_database; else tell "$kind" true; fi
