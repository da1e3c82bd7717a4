#!/bin/sh
# Starts a service, the migrations, or an operator's command in a container:
#   start-service.sh                          the service, or the migrations where SERVICE=migrate
#   start-service.sh COMMAND [NAME=value...]  as `make COMMAND NAME=value`: docs/operations/run.md
# Variables of the list below may come as files: NAME_FILE=/run/secrets/name.
# MASTER_KEY_FILE and AUDIT_KEY_FILE are settings themselves and stay as they are.
set -eu

for name in DATABASE_URL DATABASE_DIRECT_URL DATABASE_ADMIN_URL DATABASE_OWNER_URL RECONCILER_DATABASE_URL \
  AUDIT_RETENTION_DATABASE_URL SMTP_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY MIGRATOR_PASSWORD \
  USER_SERVICE_PASSWORD FILE_SERVICE_PASSWORD AUDIT_SERVICE_PASSWORD AUDIT_RETENTION_PASSWORD AUDIT_RECONCILER_PASSWORD; do
  eval "file=\${${name}_FILE:-}"
  if [ -n "$file" ]; then
    value=$(cat "$file")
    export "$name=$value"
    unset "${name}_FILE"
  fi
done

command=${1:-start}
[ $# -eq 0 ] || shift
for word in "$@"; do
  case $word in
    EMAIL=* | COMPROMISED=* | DAYS=* | SUBJECT=* | MONTH=* | OVERLAP=on) export "$word" ;;
    *) echo "$command does not know $word. Give NAME=value words as docs/operations/run.md shows them." >&2; exit 2 ;;
  esac
done

# Leases are held under this name, so two replicas with one name would both lead.
# In a container every pid is 1; the host name, the container's id, is unique.
: "${REPLICA:=$SERVICE-${HOSTNAME:-$(cat /etc/hostname)}}"
export REPLICA

case "$SERVICE $command" in
  'user start' | 'audit start') ;;
  # Freed memory returned to the system: see packages/cluster/src/fleet/plan/replica-processes.ts.
  'file start') export MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072 MALLOC_MMAP_THRESHOLD_=131072 ;;
  'migrate start') exec node scripts/migrate.ts ;;
  'user admin') exec node scripts/admin.ts ;;
  'user auditor') exec node scripts/admin.ts auditor ;;
  'user rotate-keys') exec node scripts/keys/rotate-keys.ts ;;
  'audit rotate-subject-keys') exec node scripts/keys/rotate-subject-keys.ts ;;
  'audit restore') exec node scripts/restore-month.ts ;;
  'migrate rotate-master-key') exec node scripts/keys/rotate-master-key.ts --shared ;;
  'migrate rotate-audit-key') exec node scripts/keys/rotate-audit-key.ts --shared ${OVERLAP:+--overlap} "$AUDIT_KEY_FILE" ;;
  *) echo "The image of $SERVICE has no command $command. docs/operations/run.md lists the commands." >&2; exit 2 ;;
esac
# packages/cluster/src/fleet/plan/v8-flags.ts says why, and a test holds both lists together.
exec node --max-semi-space-size=4 --heap-growing-percent=50 "services/$SERVICE/server.ts"
