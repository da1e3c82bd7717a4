#!/bin/sh
# Starts a service or the migrations in a container.
# Variables of the list below may come as files: NAME_FILE=/run/secrets/name.
# MASTER_KEY_FILE and AUDIT_KEY_FILE are settings themselves and stay as they are.
set -eu

for name in DATABASE_URL DATABASE_ADMIN_URL RECONCILER_DATABASE_URL AUDIT_RETENTION_DATABASE_URL SMTP_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY MIGRATOR_PASSWORD USER_SERVICE_PASSWORD \
  FILE_SERVICE_PASSWORD AUDIT_SERVICE_PASSWORD AUDIT_RETENTION_PASSWORD AUDIT_RECONCILER_PASSWORD; do
  eval "file=\${${name}_FILE:-}"
  if [ -n "$file" ]; then
    value=$(cat "$file")
    export "$name=$value"
    unset "${name}_FILE"
  fi
done

if [ "$SERVICE" = migrate ]; then
  exec node scripts/migrate.ts
fi

# Leases are held under this name, so two replicas with one name would both lead.
# In a container every pid is 1; the host name, the container's id, is unique.
: "${REPLICA:=$SERVICE-${HOSTNAME:-$(cat /etc/hostname)}}"
export REPLICA
# A small young generation, and freed memory returned to the system: see packages/cluster/src/fleet/plan/fleet-plan.ts.
if [ "$SERVICE" = file ]; then export MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072 MALLOC_MMAP_THRESHOLD_=131072; fi
exec node --max-semi-space-size=4 "services/$SERVICE/server.ts"
