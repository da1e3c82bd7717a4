#!/bin/sh
# Creates the buckets, each with a user who may use only its objects. Idempotent.
set -eu
read_secret() { cat "/run/secrets/$1"; }
mc alias set store http://minio:9000 "$(read_secret s3_root_user)" "$(read_secret s3_root_password)" >/dev/null

prepare() { # bucket, policy file, user, password
  mc admin user add store "$3" "$4"
  sed "s/BUCKET/$1/g" "/etc/muniment/$2" > "/tmp/$2"
  mc admin policy create store "$3" "/tmp/$2"
  # mc fails when the policy is attached already.
  mc admin policy attach store "$3" --user "$3" || mc admin policy entities store --user "$3" | grep -q "$3"
}
mc mb --ignore-existing "store/$S3_BUCKET"
prepare "$S3_BUCKET" policy.json "$(read_secret s3_access_key_id)" "$(read_secret s3_secret_access_key)"
# Object lock: nobody can delete a checkpoint or erasure within the retention that it names.
mc mb --ignore-existing --with-lock "store/$AUDIT_BUCKET"
prepare "$AUDIT_BUCKET" audit-policy.json "$(read_secret s3_audit_access_key_id)" "$(read_secret s3_audit_secret_access_key)"
