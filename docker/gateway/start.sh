#!/bin/sh
# Renders nginx.conf from the repository's template and execs nginx.
#   USER_UPSTREAM FILE_UPSTREAM AUDIT_UPSTREAM   host:port; each address of the name is one server
#   S3_UPSTREAM S3_SCHEME S3_HOST                the object store; S3_HOST is what URLs are signed for
#   GATEWAY_SECRET_FILE   its first line is sent to the services, which accept every line
#   RESOLVER           name server for lookups at run time; empty: one lookup at start
#   WORKER_PROCESSES   nginx's processes; not the machine's cores, of which compose gives it one
#   UPLOAD_MAX_BYTES   as the file service has it      LIMITS=on|off      TLS_CERTIFICATE TLS_KEY   files; absent: no TLS
#   CORS_ORIGINS       as the services have it         MAIL_PAGE   the mail catcher that the front page names; empty: none
set -eu
set -f # no value is a file pattern

TEMPLATE=${TEMPLATE:-/etc/muniment/nginx.conf.template}
TMP_DIR=${TMP_DIR:-/tmp/nginx}
mkdir -p "$TMP_DIR"

: "${RESOLVER=127.0.0.11}"
resolver=''
resolve=''
if [ -n "$RESOLVER" ]; then
  resolver="resolver $RESOLVER valid=2s ipv6=off; "
  resolve=' resolve'
fi
# Each once more as its own backup: see packages/cluster/src/nginx/nginx-config.ts.
servers() { echo "${resolver}server $1$resolve max_fails=3 fail_timeout=1s; server $1$resolve backup max_fails=0;"; }

USER_SERVERS=$(servers "${USER_UPSTREAM:-user:8080}")
FILE_SERVERS=$(servers "${FILE_UPSTREAM:-file:8080}")
AUDIT_SERVERS=$(servers "${AUDIT_UPSTREAM:-audit:8080}")
# For streamed bodies not the upstreams above: nginx ends a request's attempts when the addresses of
# an upstream change, and a stream cannot begin anew. By a variable it keeps those of its beginning.
streamed() { # upstream, host:port, path as nginx knows it
  if [ -z "$RESOLVER" ]; then echo "proxy_pass http://$1${3:-};"; return; fi
  echo "${resolver}resolver_timeout 2s; set \$streamed_to $2; proxy_pass http://\$streamed_to${3:-};"
}
UPLOAD_PASS=$(streamed file "${FILE_UPSTREAM:-file:8080}")
EVENTS_PASS=$(streamed audit "${AUDIT_UPSTREAM:-audit:8080}")
USER_PASS=$(streamed user "${USER_UPSTREAM:-user:8080}" '$bare_path')
S3_UPSTREAM=${S3_UPSTREAM:-minio:9000}
S3_SERVERS="${resolver}server $S3_UPSTREAM$resolve max_fails=0;"
S3_URL="${S3_SCHEME:-http}://s3"
S3_HOST=${S3_HOST:-$S3_UPSTREAM}
MAIN="daemon off; worker_processes ${WORKER_PROCESSES:-2}; pid $TMP_DIR/nginx.pid; error_log stderr warn;"
ACCESS_LOG=${ACCESS_LOG:-/dev/stdout}
LISTEN="listen ${HTTP_LISTEN:-8080};"
if [ -n "${TLS_CERTIFICATE:-}" ]; then
  LISTEN="$LISTEN listen ${TLS_LISTEN:-8443} ssl; http2 on; ssl_certificate \"$TLS_CERTIFICATE\"; ssl_certificate_key \"$TLS_KEY\";
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:5m; ssl_session_tickets off;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;"
fi
# One MiB more for the multipart frame: a slightly too large file gets the service's own answer.
UPLOAD_MAX_BODY=$((${UPLOAD_MAX_BYTES:-52428800} + 1048576))
case "${LIMITS:-on}" in
  on) LIMITS='' ;;
  off) LIMITS='#' ;; # comments the lines of limits out
  *) echo "LIMITS must be on or off, not $LIMITS" >&2; exit 1 ;;
esac

# Nothing that has a meaning in nginx.conf may come from outside.
cors_lines() {
  for origin in $(echo "${CORS_ORIGINS:-}" | tr ', A-Z' '\n\na-z' | sort -u); do
    case "$origin" in
      *[!]a-z0-9.:/[_+-]* | *://*/* | ://*) ;;
      *://?*) echo "\"$origin\" \"$origin\";"; continue ;;
    esac
    echo "CORS_ORIGINS must name origins such as https://app.example, without a path, not $origin" >&2
    exit 1
  done
}
CORS_ORIGINS=$(cors_lines)
PAGES=${PAGES:-/usr/share/muniment/pages}
MAIL_PAGE=${MAIL_PAGE:-}
case "$MAIL_PAGE" in
  *[!A-Za-z0-9.:/_-]*) echo "MAIL_PAGE must be a plain URL, not $MAIL_PAGE" >&2; exit 1 ;;
esac

GATEWAY_SECRET=$(head -n 1 "$GATEWAY_SECRET_FILE")
# Any other character could end the string in nginx.conf.
case "$GATEWAY_SECRET" in
  '' | *[!A-Za-z0-9_-]*) echo "$GATEWAY_SECRET_FILE must hold letters, digits, - and _" >&2; exit 1 ;;
esac

umask 077
export CORS_ORIGINS PAGES MAIL_PAGE
export MAIN TMP_DIR ACCESS_LOG USER_SERVERS FILE_SERVERS AUDIT_SERVERS S3_SERVERS S3_URL S3_HOST LISTEN UPLOAD_PASS EVENTS_PASS USER_PASS UPLOAD_MAX_BODY LIMITS GATEWAY_SECRET
envsubst '${MAIN} ${TMP_DIR} ${ACCESS_LOG} ${USER_SERVERS} ${FILE_SERVERS} ${AUDIT_SERVERS} ${S3_SERVERS} ${S3_URL} ${S3_HOST} ${LISTEN} ${UPLOAD_PASS} ${EVENTS_PASS} ${USER_PASS} ${UPLOAD_MAX_BODY} ${LIMITS} ${CORS_ORIGINS} ${PAGES} ${MAIL_PAGE} ${GATEWAY_SECRET}' \
  < "$TEMPLATE" > "$TMP_DIR/nginx.conf"
unset GATEWAY_SECRET
exec nginx -c "$TMP_DIR/nginx.conf" "$@"
