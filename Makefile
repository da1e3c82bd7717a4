# `make` prints what there is. Settings are given as words: make up REPLICAS=3 PORT=9000 DATA=/var/lib/muniment LIMITS=off
# GNU make 4.3. Checkout and DATA may lie under a path with spaces (all rules use relative paths and quoted words).

# Settings of the fleet come from the command line, else from the environment, else from the file .env, else by default
# (packages/cluster/src/fleet/settings.ts). Not exported: the tests must not find a PORT in their environment.
pass  = $(if $($(1)),$(1)='$($(1))')
FLEET := ENV_FILE=.env $(foreach name,REPLICAS PORT TLS_PORT DATA LIMITS LOG_DAYS,$(call pass,$(name))) $(if $(CORS),CORS_ORIGINS='$(CORS)')
NODE  := node --import ./packages/cluster/src/load-env-file.ts

ARCH  := $(patsubst aarch64,arm64,$(patsubst x86_64,x64,$(shell uname -m)))
# Node's own folder first: the wrapper in .bin does not exec, and a SIGTERM to it would leave node orphaned.
export PATH := $(CURDIR)/node_modules/node-linux-$(ARCH)/bin:$(CURDIR)/node_modules/.bin:$(PATH)
PNPM  := .tools/node_modules/.bin/pnpm
STAMP := node_modules/.bootstrapped
LOG   := .tools/bootstrap.log
FAULTS := $(wildcard test/e2e/*-outage.test.ts test/e2e/*killed.test.ts)
# Runs a step quietly and shows its log only when it fails.
quiet = @echo '$(1)'; mkdir -p .tools; ($(2)) >$(LOG) 2>&1 || { tail -n 25 $(LOG); echo 'failed: see $(LOG)'; exit 1; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Targets in sequence: two of them would only compete for the machine.
.NOTPARALLEL:
.PHONY: help bootstrap up down rolling-restart status logs admin auditor verify rotate-master-key rotate-keys rotate-subject-keys dev migration-create migration-up migration-down migrate-status seed seed-create seed-up seed-down test test-long chaos chaos-planted mutants coverage bench bench-peers lint documents format typecheck build deps run docker-run docker-logs docker-stop benchmark test-docker docker-upgrade

help: ## what there is
	@echo 'make up [REPLICAS=2] [PORT=8080] [TLS_PORT=8443] [DATA=./.data] [LIMITS=on] [LOG_DAYS=14]'
	@echo '        [CORS=http://localhost:5173]: origins of front ends, comma separated'
	@echo 'These and the settings in .env.example can also stand in a file .env: one NAME=value a line.'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

up: $(STAMP) ## start PostgreSQL, Kinesis, S3, REPLICAS of each service and nginx, and return; other settings restart a running fleet
	@$(FLEET) $(NODE) packages/cluster/src/up.ts
down: $(STAMP) ## stop the fleet; its data stays in DATA
	@$(FLEET) $(NODE) packages/cluster/src/down.ts
rolling-restart: $(STAMP) ## restart every user, file and audit replica, one after another; no request is lost (needs REPLICAS=2 or more)
	@$(FLEET) $(NODE) packages/cluster/src/rolling-restart.ts
status: $(STAMP) ## process, port, pid, uptime, restarts, ready, memory
	@$(FLEET) $(NODE) packages/cluster/src/status.ts
logs: $(STAMP) ## follow the logs; S=user only those of one service
	@$(FLEET) S='$(S)' $(NODE) packages/cluster/src/logs.ts
admin: $(STAMP) ## EMAIL=... makes or promotes an administrator and prints a token
	@$(FLEET) EMAIL='$(EMAIL)' $(NODE) scripts/admin.ts
auditor: $(STAMP) ## EMAIL=... makes an auditor, who reads trail and directory, and prints a token
	@$(FLEET) EMAIL='$(EMAIL)' $(NODE) scripts/admin.ts auditor
verify: $(STAMP) ## FILE=export.ndjson[.gz] or STREAM=trail.sse [AFTER=] [KEY=DATA/audit-key.pub] [CHECKPOINT=] [CONSISTENCY=] verifies an export or a recorded stream offline (the command's exit codes: audit-verify --help)
	@test -n '$(FILE)$(STREAM)' || { echo 'make verify: name the export, as in make verify FILE=trail.ndjson' >&2; exit 2; }
	@key='$(KEY)'; data=$$($(FLEET) $(NODE) -p 'process.env.DATA || "./.data"') || exit; \
	node packages/audit-verify/src/cli.ts $(if $(STREAM),stream) --key "$${key:-$$data/audit-key.pub}" $(if $(CHECKPOINT),--checkpoint '$(CHECKPOINT)') $(if $(CONSISTENCY),--consistency '$(CONSISTENCY)') $(if $(AFTER),--after '$(AFTER)') '$(or $(STREAM),$(FILE))'
rotate-master-key: $(STAMP) ## wrap all keys by a new master key, on a running fleet
	@$(FLEET) $(NODE) scripts/keys/rotate-master-key.ts
rotate-keys: $(STAMP) ## a new key for access tokens, on a running fleet; COMPROMISED=<kid> or all revokes what these have signed, at once
	@$(FLEET) COMPROMISED='$(COMPROMISED)' $(NODE) scripts/keys/rotate-keys.ts
rotate-subject-keys: $(STAMP) ## DAYS=365 or SUBJECT=<user id>: new keys for future personal values
	@$(FLEET) DAYS='$(DAYS)' SUBJECT='$(SUBJECT)' $(NODE) scripts/keys/rotate-subject-keys.ts
restore: $(STAMP) ## MONTH=YYYY_MM [DAYS=30] brings an archived month of the trail back for DAYS
	@$(FLEET) MONTH='$(MONTH)' DAYS='$(DAYS)' $(NODE) scripts/restore-month.ts
dev: $(STAMP) ## one replica each, started again when its source changes; follows the logs (Ctrl-C ends only that; make down stops the fleet)
	@$(FLEET) REPLICAS=1 WATCH=on $(NODE) packages/cluster/src/up.ts
	@$(FLEET) $(NODE) packages/cluster/src/logs.ts

migration-create: $(STAMP) ## NAME=create-table-name [SET=user]: a new numbered migration of user, file, audit, audit_events or database
	@$(NODE) scripts/commands/migration.ts create $(if $(NAME),--name '$(NAME)') $(if $(SET),--set '$(SET)') $(ARGS)
migration-up: $(STAMP) ## apply what is pending, on a running fleet
	@$(FLEET) $(NODE) scripts/commands/migration.ts up
migration-down: $(STAMP) ## revert the last migration, in development: a fleet of make dev, or MIGRATION_DOWN=on
	@$(FLEET) $(call pass,MIGRATION_DOWN) $(NODE) scripts/commands/migration.ts down
migrate-status: $(STAMP) ## each migration: applied when, pending, or not of this checkout
	@$(FLEET) $(NODE) scripts/commands/migration.ts status
seed: $(STAMP) ## USERS=50 SEED=1: users, files and what they do, on a running fleet; repeating it makes no doubles
	@$(FLEET) $(call pass,USERS) $(call pass,SEED) $(NODE) scripts/commands/seed.ts up
seed-up: seed ## = seed
seed-down: $(STAMP) ## delete the users of SEED=1 and their files; the trail tells that they were there
	@$(FLEET) $(call pass,SEED) $(NODE) scripts/commands/seed.ts down
seed-create: $(STAMP) ## NAME=seed-name: a new numbered seeder
	@$(NODE) scripts/commands/seed.ts create $(if $(NAME),--name '$(NAME)') $(ARGS)

test: $(STAMP) ## run all tests but test/long (T=path/to/x.test.ts for one)
	@node scripts/test.ts $(T)
test-long: $(STAMP) ## run all tests with tight bounds of time, those of test/long too, then the fault tests five times; stops at the first failure
	@TIGHT_BOUNDS=1 node scripts/test.ts
	@TIGHT_BOUNDS=1 node scripts/test.ts $(wildcard test/long/*.test.ts)
	@$(if $(T),true,CROWD=1000000 node scripts/test.ts --timeout=1200 services/user/test/directory/list-plans.test.ts services/user/test/vendor-profiles/index-use.test.ts)
	@for round in 1 2 3 4 5; do echo "faults, round $$round of 5"; TIGHT_BOUNDS=1 node scripts/test.ts $(or $(T),$(FAULTS)) || exit 1; done
	@$(if $(T),true,TIGHT_BOUNDS=1 PAUSE_MS=30000 node scripts/test.ts test/e2e/revocation.test.ts)
	@$(if $(T),true,FUZZ_REQUESTS=20000 FUZZ_SEED=$$(date +%Y%m%d) node scripts/test.ts --timeout=1800 test/e2e/shared-fleet/fuzz.test.ts)
	@$(if $(T),true,TIGHT_BOUNDS=1 TIMING_ROUNDS=2000 node scripts/test.ts --timeout=900 services/user/test/passwords/recovery-timing.test.ts services/user/test/sign-in/sign-in-timing.test.ts)
	@$(if $(T),true,node test/chaos/planted.ts && MINUTES=2 node test/chaos/main.ts)
chaos: $(STAMP) ## MINUTES=5 SEED=1: clients act while everything is killed, stopped and cut off; then the trail is checked against the answers they got
	@MINUTES='$(MINUTES)' SEED='$(SEED)' FAULTS='$(KINDS)' node test/chaos/main.ts
chaos-planted: $(STAMP) ## the same, short, on copies with one planted bug each; every bug must be found (BUG=name for one, MINUTES=0.6 of load for each)
	@BUG='$(BUG)' MINUTES='$(MINUTES)' node test/chaos/planted.ts
mutants: $(STAMP) ## plant one-line bugs in critical code, one at a time, in a copy; the named tests must fail (ROOM=feed or MUTANT=name for some)
	@ROOM='$(ROOM)' MUTANT='$(MUTANT)' node test/mutants/main.ts
test-docker: $(STAMP) ## run docker-compose.yml in an engine of its own with stand-ins for base images: flow, kills, scaling, upgrade (root, Debian; minutes; STEPS=pattern for some)
	@STEPS='$(STEPS)' node test/docker/main.ts
coverage: $(STAMP) ## run all tests and report what they reach
	@node scripts/test.ts --no-disable-coverage
	@tap report text
bench: $(STAMP) ## measure on a fleet of its own; prints a table, writes .bench/results.json
	@node bench/main.ts
bench-peers: $(STAMP) ## the same load on Directus, Parse Server, bare Fastify and a fleet of its own (TARGETS=a,b OPS=a,b SECONDS=6 ROUNDS=1 WARMUP=2; CONC, CONC_BIG, BURN_IN); installs them into .bench/peers
	@$(foreach name,TARGETS OPS SECONDS ROUNDS WARMUP BURN_IN CONC CONC_BIG LOGIN_STALL_TIME,$(call pass,$(name))) node bench/peers/main.ts
lint: $(STAMP) ## check the format, the rules, the rooms, the style, the migrations and the API documents
	@oxfmt --check .
	@oxlint --type-aware
	@node scripts/check-rooms.ts
	@node scripts/check-style.ts
	@node scripts/check-migrations.ts
	@node scripts/documents/main.ts --check
	@REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true redocly lint --config scripts/documents/redocly.yaml docs/openapi.json >.tools/redocly.log 2>&1 || { cat .tools/redocly.log; exit 1; }
documents: $(STAMP) ## write the API documents and pages, docs/permissions.md and the client from routes and channels
	@node scripts/documents/main.ts
	@node scripts/permissions-reference.ts
format: $(STAMP) ## format all code (oxfmt, 100 columns)
	@oxfmt .
typecheck: $(STAMP) ## tsc
	@tsc -p tsconfig.json
build: typecheck ## check the types, and emit the packages that are published as JavaScript (dist of packages/api-client and packages/audit-verify); the services run from source
	@tsc -p packages/api-client/tsconfig.build.json
	@tsc -p packages/audit-verify/tsconfig.build.json

bootstrap: $(STAMP) ## install what is missing: Node 24, pnpm, packages
$(PNPM):
	$(call quiet,installing pnpm,npm install --prefix .tools --no-audit --no-fund --no-save --loglevel=error pnpm@10.34.9)
$(STAMP): $(PNPM) pnpm-lock.yaml pnpm-workspace.yaml package.json .taprc
	$(call quiet,installing Node 24 and the packages (some 20 seconds),CI=1 $(PNPM) install --frozen-lockfile)
	$(call quiet,preparing the test runner,tap build)
	$(call quiet,building argon2 for this processor,./scripts/build-argon2.sh)
	$(call quiet,compiling the services,node scripts/warm-compile-cache.ts)
	@touch $@

# The seed documents' names.
deps: bootstrap ## = bootstrap
run: up ## = up
docker-run: ## docker compose up
	sh docker/make-secrets.sh && docker compose up --detach --build
docker-logs: ## docker compose logs
	docker compose logs --follow
docker-upgrade: ## build, migrate, and replace all replicas one at a time
	docker compose build && docker compose run --rm migrate && sh docker/roll.sh
docker-stop: ## docker compose down
	docker compose down
benchmark: bench ## = bench
