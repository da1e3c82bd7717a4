#!/bin/sh
# Creates missing secrets for docker-compose.yml in ./secrets: passwords, keys, a certificate.
# Only the owner can enter the folder. What lies in it is readable by all: Docker mounts it as it
# is, and no container runs as root. The keys that are rotated have folders of their own.
set -eu
cd "$(dirname "$0")/.."
umask 077
mkdir -p secrets/master secrets/audit
cd secrets
printf '*\n' > .gitignore

# Where version 0.1.0 put them.
[ ! -f master_key ] || mv master_key master/key
[ ! -f audit_key ] || { mv audit_key audit/key; mv audit_key.pub audit/key.pub; }

keep() { # name, value
  [ -s "$1" ] || { printf '%s\n' "$2" > "$1"; }
}
for role in postgres migrator user_service file_service audit_service audit_retention audit_reconciler; do
  keep "${role}_password" "$(openssl rand -hex 24)"
done
keep s3_root_user muniment-root
keep s3_root_password "$(openssl rand -hex 24)"
keep s3_access_key_id muniment-files
keep s3_secret_access_key "$(openssl rand -hex 24)"
keep s3_audit_access_key_id muniment-audit
keep s3_audit_secret_access_key "$(openssl rand -hex 24)"
keep kinesis_access_key_id muniment-kinesis
keep kinesis_secret_access_key "$(openssl rand -hex 24)"
keep kinesis_credentials "$(for pair in kinesis s3 s3_audit; do
  echo "$(cat "${pair}_access_key_id") $(cat "${pair}_secret_access_key")"
done)"
# Services accept each line; the gateway sends the first one. See docs/operations/keys.md.
keep gateway_secret "$(openssl rand -hex 32)"
# Services accept each line; Prometheus sends its own file, which has one line.
keep metrics_token "$(openssl rand -hex 32)"
keep prometheus_token "$(head -n 1 metrics_token)"
# An earlier version wrote a URL without credentials.
if [ "$(cat smtp_url 2>/dev/null)" = smtp://mailpit:1025 ]; then rm -f smtp_url; fi
keep mail_auth "muniment:$(openssl rand -hex 16)"
keep smtp_url "smtp://$(cat mail_auth)@mailpit:1025"
keep grafana_admin_password "$(openssl rand -hex 16)"
keep master/key "$(openssl rand -base64 32)"

# The signing key of the audit log, and key.pub to check it (C2SP signed-note, type 1).
if [ ! -s audit/key ]; then
  log=${AUDIT_ORIGIN:-$(sed -n 's/^AUDIT_ORIGIN=//p' ../.env 2>/dev/null | tail -n 1)}
  log=${log:-muniment.local/audit}
  openssl genpkey -algorithm ed25519 -outform DER -out audit_key.der
  openssl pkey -inform DER -in audit_key.der -pubout -outform DER | tail -c 32 > audit_key.raw
  id=$({ printf '%s\n\001' "$log"; cat audit_key.raw; } | openssl dgst -sha256 -r | cut -c 1-8)
  keep audit/key "PRIVATE+KEY+$log+$id+$({ printf '\001'; tail -c 32 audit_key.der; } | openssl base64 -A)"
  keep audit/key.pub "$log+$id+$({ printf '\001'; cat audit_key.raw; } | openssl base64 -A)"
  rm -f audit_key.der audit_key.raw
fi

keep database_url_migrator "postgres://migrator:$(cat migrator_password)@postgres:5432/muniment"
keep database_admin_url "postgres://postgres:$(cat postgres_password)@postgres:5432/postgres"
for service in user file audit; do
  keep "database_url_$service" "postgres://${service}_service:$(cat "${service}_service_password")@postgres:5432/muniment"
done

keep database_url_reconciler "postgres://audit_reconciler:$(cat audit_reconciler_password)@postgres:5432/muniment"
keep database_url_retention "postgres://audit_retention:$(cat audit_retention_password)@postgres:5432/muniment"

if [ ! -s tls_certificate.pem ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -keyout tls_key.pem -out tls_certificate.pem \
    -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
fi
find . -type f ! -name .gitignore -exec chmod 0444 {} +
chmod 0755 master audit
echo "secrets are in $(pwd). Back up master/key: without it no signing key and no personal value can be read again. Back up audit/key: it signs the audit log."
