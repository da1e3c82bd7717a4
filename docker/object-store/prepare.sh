#!/bin/sh
# Makes the bucket, and the file service's own user, who may use the objects of this bucket and nothing else. Idempotent.
set -eu
read_secret() { cat "/run/secrets/$1"; }
mc alias set store http://minio:9000 "$(read_secret s3_root_user)" "$(read_secret s3_root_password)" >/dev/null
mc mb --ignore-existing "store/$S3_BUCKET"
mc admin user add store "$(read_secret s3_access_key_id)" "$(read_secret s3_secret_access_key)"
sed "s/BUCKET/$S3_BUCKET/g" /etc/muniment/policy.json > /tmp/policy.json
mc admin policy create store muniment-files /tmp/policy.json
# Attaching a policy that is attached already is an error in mc; what counts is that it is attached.
mc admin policy attach store muniment-files --user "$(read_secret s3_access_key_id)" \
  || mc admin policy entities store --user "$(read_secret s3_access_key_id)" | grep -q muniment-files
