import { type KinesisClient } from '@aws-sdk/client-kinesis';
import type { FastifyBaseLogger } from 'fastify';
import { sql, type Kysely } from 'kysely';
import { Registry } from 'prom-client';
import {
  createEventPreparer,
  createKinesisClient,
  createSubjectKeys,
  type Relay,
  type Source,
  type SubjectKeys,
} from '@muniment/audit-events';
import {
  createDatabase,
  databaseMigrations,
  isDatabaseUnavailable,
  verifyMigrated,
  type MigrationSet,
} from '@muniment/database';
import { loadSharedSecret, type AccessTokens, type ServiceTokens } from '@muniment/security';
import { loadMasterKey, type MasterKey } from '@muniment/master-key';
import { openActivity, type Activity } from './audit/activity.ts';
import { createErasures, type Erasures } from './audit/erasures.ts';
import { createOutboxRelays, type Outbox } from './audit/outbox-relays.ts';
import {
  createTransactions,
  type InTransaction,
  type RecordRequestEvent,
} from './audit/transactions.ts';
import {
  authenticateRequests,
  measureAuth,
  openAuth,
  type Auth,
  type AuthOptions,
} from './auth/create-auth.ts';
import type { RecordDenial } from './limits/record-denial.ts';
import { evaluatePreconditions } from './http/conditional/conditional-requests.ts';
import { createApp, type App } from './http/create-app.ts';
import { requireDefinitions } from './http/define-route.ts';
import { problemOf, renderErrors, type Problem } from './http/problem.ts';
import { secureHeaders } from './http/security-headers.ts';
import { acceptIdempotencyKeys, deleteExpiredAnswersLoop } from './idempotency/idempotency.ts';
import type { ServerConfig } from './lifecycle/config.ts';
import { createDelaySampling, type DelaySampling } from './lifecycle/event-loop-lag.ts';
import { reportHealth, type DependencyCheck, type Health } from './operations/health.ts';
import type { RevocationFeed } from './auth/revocation-feed.ts';
import { createJobs, type Jobs } from './lifecycle/jobs.ts';
import { measureRequests } from './operations/metrics.ts';
import { shedLoad } from './lifecycle/overload.ts';
import { openRequestLimits, type RequestLimits } from './limits/open-request-limits.ts';

export interface ServerOptions<DB> extends AuthOptions<DB> {
  service: 'user' | 'file' | 'audit';
  /** The service's own schema; its outbox lies there. */
  schema: 'identity' | 'files' | 'audit';
  source: Source;
  config: ServerConfig;
  /** What must have been applied before the service may start. */
  migrations: readonly MigrationSet[];
  /** Recognise errors that mean «a dependency is down», beside the database's. */
  unavailable?: readonly ((error: unknown) => boolean)[];
}

/** What every service is made of, in groups. A handler takes the groups that it uses. */
export interface ServiceContext<DB> {
  http: {
    app: App;
    log: FastifyBaseLogger;
    /** The problem that HTTP would answer, for errors that a web socket or a stream sends. */
    problemOf(error: unknown, requestId: string): Problem;
  };
  data: { db: Kysely<DB>; inTransaction: InTransaction<DB> };
  audit: {
    /** Records an event without a change of rows, before the answer's first byte. */
    record: RecordRequestEvent;
    recordDenial: RecordDenial;
    /** Relays another outbox of the service. Wake the relay after a commit. */
    addOutbox(outbox: Outbox): Relay;
    /** Whether events are recorded: loops that carry them slow down while none are. */
    activity: Activity;
    kinesis: KinesisClient;
  };
  auth: Auth & {
    /** Verifies access tokens; the user service issues them too. */
    accessTokens: AccessTokens;
    /** Verifies the calls of other services; the user service signs them. */
    serviceTokens: ServiceTokens;
  };
  limits: RequestLimits;
  jobs: Jobs;
  crypto: { masterKey: MasterKey; subjectKeys: SubjectKeys };
  health: Health;
  erasures: Erasures<DB>;
  metrics: Registry;
}

/**
 * Builds what services have in common. It neither listens nor starts loops.
 * @throws when the master key cannot be read, or the database is away or lacks a migration
 */
export async function createServer<DB>(options: ServerOptions<DB>): Promise<ServiceContext<DB>> {
  const { service, config } = options;
  const gatewaySecret = await loadSharedSecret(config.GATEWAY_SECRET_FILE);
  const app = createApp(config, { service, gatewaySecret });
  const { log } = app;
  const masterKey = await loadMasterKey(config.MASTER_KEY_FILE);
  const { db, kinesis } = openStores<DB>(config, log);
  const { activity, channel } = openActivity(db);
  const jobs = createJobs({ log, activity });
  const parts = { ...options, db, kinesis, log, jobs, masterKey, activity, channel };
  const { auth, feed, close: closeAuth } = openAuth(parts);
  app.addHook('onListen', async () => jobs.start());
  // Hooks run in reverse order: registered first, this closes the stores last.
  app.addHook('onClose', async () => {
    await jobs.stop();
    await closeAuth();
    kinesis.destroy();
    await db.destroy();
  });
  try {
    await verifyMigrated(db, [databaseMigrations, ...options.migrations]);
    const isUnavailable = recogniseOutages(options);
    const metrics = createRegistry(service);
    const crypto = { masterKey, subjectKeys: createSubjectKeys(masterKey) };
    renderErrors(app, isUnavailable);
    const refuseUnknown = await secureHeaders(app, config.CORS_ORIGINS);
    const sampling = openDelaySampling(app, activity);
    shedLoad(app, sampling, config.EVENT_LOOP_MAX_DELAY_MS);
    await feed.start();
    const built = { ...parts, ...crypto, auth, metrics };
    const { audit, inTransaction, streamCheck } = createAudit(built);
    const { record } = audit;
    const { limits, recordDenial } = await openRequestLimits(app, { ...parts, metrics, record });
    await authenticateRequests(app, auth, { ...parts, limits, recordDenial });
    refuseUnknown();
    openIdempotency(app, { ...parts, auth, record });
    guardRoutes(app);
    const { METRICS_TOKEN_FILE: tokenFile } = config;
    await measureRequests(app, { registry: metrics, tokenFile, sampling });
    measureAuth(metrics, auth, feed);
    const health = openHealth(app, { db, feed, jobs, streamCheck });
    return {
      http: { app, log, problemOf: (error, id) => problemOf(error, id, isUnavailable) },
      data: { db, inTransaction },
      audit: { ...audit, recordDenial },
      auth: { ...auth, accessTokens: app.accessTokens, serviceTokens: app.serviceTokens },
      limits,
      jobs,
      crypto,
      health,
      erasures: createErasures(app, built),
      metrics,
    };
  } catch (error) {
    await app.close();
    throw error;
  }
}

function openStores<DB>(
  config: ServerConfig,
  log: FastifyBaseLogger,
): { db: Kysely<DB>; kinesis: KinesisClient } {
  const { db } = createDatabase<DB>({
    url: config.DATABASE_URL,
    applicationName: `muniment-${config.REPLICA}`,
    poolMax: config.DATABASE_POOL_MAX,
    statementTimeoutMs: config.DATABASE_STATEMENT_TIMEOUT_MS,
    onIdleError: (error) => log.warn({ err: error }, 'idle database connection lost'),
  });
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = config;
  const kinesis = createKinesisClient({
    region: config.AWS_REGION,
    endpoint: config.KINESIS_ENDPOINT,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
  });
  return { db, kinesis };
}

interface AuditParts<DB> extends ServerOptions<DB> {
  db: Kysely<DB>;
  kinesis: KinesisClient;
  log: FastifyBaseLogger;
  jobs: Jobs;
  subjectKeys: SubjectKeys;
  auth: Auth;
  metrics: Registry;
  activity: Activity;
}

/** Opens the outboxes and relays, and both ways to record an event: with a change or without. */
function createAudit<DB>(parts: AuditParts<DB>) {
  const { db, kinesis, jobs, config, schema, source, subjectKeys, activity } = parts;
  const relays = createOutboxRelays(parts);
  function addOutbox(outbox: Outbox): Relay {
    const relay = relays.add(outbox);
    jobs.add({ name: `relay-${outbox.source}`, ...relay });
    return relay;
  }
  const relay = addOutbox({ schema, source });
  const { inTransaction, record } = createTransactions(db, {
    schema,
    prepareEvent: createEventPreparer({ source, subjectKeys }),
    revalidatePrincipal: parts.auth.revalidate,
    onCommit() {
      relay.wake();
      activity.recorded();
    },
    // Each holds a connection, and its request may need another before it is answered.
    maxPendingCommits: Math.ceil(config.DATABASE_POOL_MAX / 2),
  });
  const { streamCheck } = relays;
  return { audit: { record, addOutbox, activity, kinesis }, inTransaction, streamCheck };
}

function openIdempotency<DB>(
  app: App,
  parts: Omit<AuditParts<DB>, 'subjectKeys' | 'metrics' | 'activity'> & {
    masterKey: MasterKey;
    record: RecordRequestEvent;
  },
): void {
  const { db, schema, masterKey, auth, record, config, jobs, log } = parts;
  const ttlSeconds = config.IDEMPOTENCY_TTL_S;
  const { cookies } = auth;
  acceptIdempotencyKeys(app, { db, schema, masterKey, cookies, record, ttlSeconds });
  jobs.add(
    deleteExpiredAnswersLoop(db, { schema, ttlSeconds }, (error) =>
      log.warn({ err: error }, 'expired answers could not be deleted; it is tried again'),
    ),
  );
}

function guardRoutes(app: App): void {
  // Registered behind idempotency, it runs before a stored answer is repeated.
  evaluatePreconditions(app);
  requireDefinitions(app);
}

/** Samples delays from the start on, while there are requests or events. */
function openDelaySampling(app: App, activity: Activity): DelaySampling {
  const sampling = createDelaySampling(activity.isResting);
  activity.onWork(sampling.start);
  app.addHook('onListen', async () => sampling.start());
  app.addHook('onClose', async () => sampling.stop());
  return sampling;
}

function createRegistry(service: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  return registry;
}

function recogniseOutages<DB>({ unavailable = [] }: ServerOptions<DB>) {
  return (error: unknown): boolean =>
    isDatabaseUnavailable(error) || unavailable.some((recognises) => recognises(error));
}

interface HealthParts<DB> {
  db: Kysely<DB>;
  feed: RevocationFeed;
  jobs: Jobs;
  streamCheck: DependencyCheck;
}

/** Reports what every service depends on. Only the database is critical. */
function openHealth<DB>(app: App, { db, feed, jobs, streamCheck }: HealthParts<DB>): Health {
  const health = reportHealth(app, jobs);
  health.add({ name: 'postgres', critical: true, check: () => checkWritable(db) });
  health.add(streamCheck);
  health.add({ name: 'revocation_feed', critical: false, check: () => checkFeed(feed) });
  return health;
}

/** After a failover the old address may lead to a standby, where nothing can be changed. */
async function checkWritable<DB>(db: Kysely<DB>): Promise<void> {
  const { rows } = await sql<{ writable: boolean }>`
    select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off'
      as writable`.execute(db);
  if (!rows[0]?.writable) throw new Error('the database is read-only');
}

async function checkFeed(feed: RevocationFeed): Promise<void> {
  if (!feed.isFollowed()) throw new Error('stale');
}
