#!/bin/sh
# Creates the buckets, each with a user who may use only its objects. Idempotent.
# Uses the shell's builtins and mc alone: MinIO's image (ubi-micro) has no sed, grep or awk.
set -eu
SECRETS=${SECRETS:-/run/secrets}
POLICIES=${POLICIES:-/etc/muniment}
SCRATCH=${SCRATCH:-/tmp}

read_secret() { # prints a secret's only line
  IFS= read -r secret < "$SECRETS/$1" || [ -n "$secret" ]
  printf '%s' "$secret"
}
policy_for() { # bucket, policy file; prints the policy with the bucket's name for the word BUCKET
  while IFS= read -r line || [ -n "$line" ]; do
    rest=$line
    line=''
    while [ "$rest" != "${rest#*BUCKET}" ]; do
      line=$line${rest%%BUCKET*}$1
      rest=${rest#*BUCKET}
    done
    printf '%s\n' "$line$rest"
  done < "$POLICIES/$2"
}
prepare() { # bucket, policy file, user, password
  mc admin user add store "$3" "$4"
  policy_for "$1" "$2" > "$SCRATCH/$2"
  mc admin policy create store "$3" "$SCRATCH/$2"
  # mc fails when the policy is attached already.
  mc admin policy attach store "$3" --user "$3" || case $(mc admin policy entities store --user "$3") in
    *"$3"*) ;;
    *) echo "The policy $3 could not be attached to its user." >&2; return 1 ;;
  esac
}

mc alias set store "${ENDPOINT:-http://minio:9000}" "$(read_secret s3_root_user)" "$(read_secret s3_root_password)" >/dev/null
mc mb --ignore-existing "store/$S3_BUCKET"
prepare "$S3_BUCKET" policy.json "$(read_secret s3_access_key_id)" "$(read_secret s3_secret_access_key)"
# Object lock: nobody can delete a checkpoint or erasure within the retention that it names.
mc mb --ignore-existing --with-lock "store/$AUDIT_BUCKET"
prepare "$AUDIT_BUCKET" audit-policy.json "$(read_secret s3_audit_access_key_id)" "$(read_secret s3_audit_secret_access_key)"
