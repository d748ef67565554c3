#!/bin/sh
# Starts PostgreSQL as the public image does: the same variables, the same user, the same place for the data.
#   POSTGRES_PASSWORD  required for a new database, unless POSTGRES_HOST_AUTH_METHOD is trust
#   POSTGRES_USER      its superuser (postgres)    POSTGRES_DB  a database to make (the user's name)
#   POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA
#   NAME_FILE          for each of the first four: a file to read the value from
# Scripts in /docker-entrypoint-initdb.d (*.sh, *.sql) are run once, in order, before anybody can connect.
set -eu

fail() { echo "entrypoint: $*" >&2; exit 1; }

from_file() { # NAME: take the value of NAME from the file that NAME_FILE names
  eval "value=\${$1:-} file=\${$1_FILE:-}"
  if [ -n "$file" ]; then
    [ -z "$value" ] || fail "both $1 and $1_FILE are set"
    value=$(cat "$file") || fail "cannot read $file, which $1_FILE names"
  fi
  eval "$1=\$value"
}

# Made in a folder apart, and moved up when it is whole; PG_VERSION, by which the next start knows, comes last. So a
# first start may be killed at any moment, and the next one begins anew.
initialise() {
  [ -n "$POSTGRES_PASSWORD" ] || [ "$POSTGRES_HOST_AUTH_METHOD" = trust ] ||
    fail "POSTGRES_PASSWORD must not be empty for a new database"
  new=$PGDATA/.new
  if [ -d "$new" ]; then
    for left in "$PGDATA"/* "$new"; do [ "${left##*/}" = lost+found ] || rm -rf "$left"; done
  fi
  for found in "$PGDATA"/*; do
    [ ! -e "$found" ] || [ "${found##*/}" = lost+found ] || fail "$PGDATA is neither empty nor a database: $found"
  done
  run=$(mktemp -d -p /run/postgresql)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$run/password"
  set -- --pgdata="$new" --username="$POSTGRES_USER"
  [ -z "$POSTGRES_PASSWORD" ] || set -- "$@" --pwfile="$run/password"
  # shellcheck disable=SC2086  # these are several arguments in one variable, as in the public image
  initdb "$@" $POSTGRES_INITDB_ARGS
  printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$new/pg_hba.conf"
  printf "\nlisten_addresses = '*'\n" >>"$new/postgresql.conf"
  first_run
  rm -rf "$run"
  for part in "$new"/*; do [ "${part##*/}" = PG_VERSION ] || mv "$part" "$PGDATA"; done
  mv "$new/PG_VERSION" "$PGDATA"
  rmdir "$new"
}

first_run() { # a server that only this script can reach
  export PGHOST="$run" PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PASSWORD"
  pg_ctl --pgdata="$new" --wait --silent --options="-c listen_addresses='' -c unix_socket_directories='$run'" start
  if [ "$POSTGRES_DB" != postgres ]; then
    printf 'CREATE DATABASE :"name";\n' | psql --quiet -v ON_ERROR_STOP=1 -v name="$POSTGRES_DB" --dbname=postgres
  fi
  for script in /docker-entrypoint-initdb.d/*; do
    # shellcheck disable=SC1090  # written by who mounts it
    case "$script" in
      *.sh) . "$script" ;;
      *.sql) psql --quiet -v ON_ERROR_STOP=1 --dbname="$POSTGRES_DB" --file="$script" ;;
    esac
  done
  pg_ctl --pgdata="$new" --wait --silent --mode=fast stop
  unset PGHOST PGUSER PGPASSWORD
}

case "${1:-postgres}" in
  postgres) ;;
  -*) set -- postgres "$@" ;;
  *) exec "$@" ;; # some other program
esac

if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to be root
  mkdir -p "$PGDATA"
  chown -R 999:999 "$PGDATA" /run/postgresql
  exec setpriv --reuid=999 --regid=999 --clear-groups -- "$0" "$@"
fi

for name in POSTGRES_PASSWORD POSTGRES_USER POSTGRES_DB POSTGRES_INITDB_ARGS; do from_file "$name"; done
: "${POSTGRES_USER:=postgres}" "${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"
: "${POSTGRES_DB:=$POSTGRES_USER}"

mkdir -p "$PGDATA"
[ -O "$PGDATA" ] || fail "$PGDATA belongs to another user, as the folder of a volume does: let PGDATA name one below it"
chmod 700 "$PGDATA"
[ -s "$PGDATA/PG_VERSION" ] || initialise
unset POSTGRES_PASSWORD
exec "$@"
