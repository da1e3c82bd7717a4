import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type RawServerDefault,
} from 'fastify';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { sql, type Kysely } from 'kysely';
import type { Registry } from 'prom-client';
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
import { loadMasterKey, type MasterKey } from '@muniment/master-key';
import {
  authentication,
  createLastSeen,
  createApiTokenLookup,
  createPublicKeyRing,
  createRevocations,
  createSessionCookies,
  createSessionLookup,
  createRevalidatePrincipal,
  loadPublicKeys,
  queryApiTokens,
  queryLiveSessions,
  touchApiTokens,
  touchSessions,
  type LastSeen,
  type ApiTokenLookup,
  type PublicKeyRing,
  type Revocations,
  type SessionCookies,
  type SessionLookup,
  type RevalidatePrincipal,
  type ViewerLookup,
} from '@muniment/security';
import { createOutboxRelays, type Outbox } from './audit/outbox-relays.ts';
import type { BackgroundLoop } from './lifecycle/background-loops.ts';
import { parseBodies } from './http/body-parsing.ts';
import { ownOrigins, type ServerConfig } from './lifecycle/config.ts';
import { createErasureLoop, type ErasurePart } from './audit/erasures.ts';
import { limitRequests } from './limits/request-limit.ts';
import { reportHealth, type DependencyCheck, type Health } from './lifecycle/health.ts';
import { acceptIdempotencyKeys, deleteExpiredAnswersLoop } from './idempotency/idempotency.ts';
import { deleteAnswersOfUser } from './idempotency/answers.ts';
import { flushLastSeen } from './auth/flush-last-seen.ts';
import { createLocalLimits, type LocalLimits } from './limits/local-limits.ts';
import { limitRules } from './limits/rules.ts';
import { createLimits, deleteFullLimits, type Limits } from './limits/limits.ts';
import { createLogger } from './lifecycle/logger.ts';
import { measureRevocations } from './auth/revocation-metrics.ts';
import { measureRequests } from './lifecycle/metrics.ts';
import { shedLoad } from './lifecycle/overload.ts';
import {
  malformedRequestResponse,
  problemOf,
  renderErrors,
  sendProblem,
  type Problem,
  unreadableProblem,
} from './http/problem.ts';
import { createRevocationFeed } from './auth/revocation-feed.ts';
import { SECURITY_HEADERS, secureHeaders } from './http/security-headers.ts';
import { createSigning, type Signing } from './auth/signing.ts';
import { createTransactions, type InTransaction, type RecordFor } from './audit/transactions.ts';
import { decorateRequests, trustedProxy } from './http/trusted-proxy.ts';
import { validateStrictly } from './http/validation.ts';

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export interface ServerOptions<DB> {
  service: 'user' | 'file' | 'audit';
  /** Schema that the service owns; its outbox lies there. */
  schema: 'identity' | 'files' | 'audit';
  source: Source;
  config: ServerConfig;
  /** What must have been applied before the service may start. */
  migrations: readonly MigrationSet[];
  /** Dependencies besides PostgreSQL and the stream. */
  checks?: readonly DependencyCheck[];
  /** Recognise errors that mean «a dependency is down», beside the database's. */
  unavailable?: readonly ((error: unknown) => boolean)[];
  /** The service's part in the deletion of a user. Given the database, so that it can be stated before the server exists. */
  erasure(db: Kysely<DB>, subjectKeys: SubjectKeys): ErasurePart<DB>;
  /** Only where viewer tokens count. */
  viewers?: (db: Kysely<DB>) => ViewerLookup;
  /** Only where tokens are issued. Called again when the key may sign no more. */
  signing?: (db: Kysely<DB>, masterKey: MasterKey) => Promise<Signing>;
}

/** What every service is made of. Routes take it whole and pick what they need. */
export interface Server<DB> {
  app: App;
  db: Kysely<DB>;
  inTransaction: InTransaction<DB>;
  recordFor: RecordFor;
  subjectKeys: SubjectKeys;
  masterKey: MasterKey;
  sessions: SessionLookup;
  sessionsLastSeen: LastSeen;
  /** API tokens, and when each was used. */
  apiTokens: ApiTokenLookup;
  apiTokensLastSeen: LastSeen;
  /** Whether the caller of something that lasts may go on, and as what. */
  revalidatePrincipal: RevalidatePrincipal;
  /** What was revoked, as the feed has it; `isFresh` says whether it may be believed. */
  revocations: Revocations;
  cookies: SessionCookies;
  keys: PublicKeyRing;
  kinesis: KinesisClient;
  metrics: Registry;
  limits: Limits;
  localLimits: LocalLimits;
  log: FastifyBaseLogger;
  health: Health;
  /** What of an error is told where there is no answer of HTTP to put it into: the same as in one. */
  problemOf(error: unknown, requestId: string): Problem;
  /** Carries another outbox of the service to the stream, beside its own, with a loop of its own. Poke the relay after a commit. */
  addOutbox(outbox: Outbox): Relay;
  /** Adds a loop that runs while the replica listens and is stopped after the last request, before the pool closes. */
  background(loop: BackgroundLoop): void;
  /** Adds something to be closed that loops use: it is, once the last of them has stopped. */
  afterLoops(close: () => unknown): void;
}

function createApp(config: ServerConfig, service: string): App {
  const hop = trustedProxy(config.TRUSTED_PROXIES);
  const loggerInstance: FastifyBaseLogger = createLogger(config, service);
  const answering = new WeakMap<Socket, Set<ServerResponse>>();
  // Bytes that are no HTTP behind a whole request, or once its answer runs: a refusal would become that answer, or a part of it.
  const wouldAnswerAnother = (socket: Socket): boolean =>
    [...(answering.get(socket) ?? [])].some(
      (response) => response.headersSent || response.req.complete,
    );
  const app: App = Fastify({
    loggerInstance,
    // The gateway writes one access line per request; a second one here would cost more than the request (36k → 17k a second).
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'request_id',
    }),
    trustProxy: hop.trusts,
    genReqId: (request) => hop.requestId(request),
    bodyLimit: config.BODY_LIMIT_BYTES,
    // While closing, requests that come over kept-alive connections are still served: the gateway does not retry a 503.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    // Node's own refusal of a request without Host is an empty 400; `parseBodies` refuses it as a problem.
    http: { maxHeaderSize: 16 * 1024, headersTimeout: 15_000, requireHostHeader: false },
    routerOptions: { maxParamLength: 256 },
    // No hook runs for a URL that cannot be routed, so the headers are set here.
    frameworkErrors: (error, request, reply) =>
      void sendProblem(error, request, reply.headers(SECURITY_HEADERS) as never),
    clientErrorHandler(error: NodeJS.ErrnoException, socket: Socket) {
      if (error.code !== 'ECONNRESET' && socket.writable && !wouldAnswerAnother(socket))
        socket.end(malformedRequestResponse(error.code));
      else socket.destroy();
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    const owed = answering.get(socket) ?? new Set();
    answering.set(socket, owed.add(response));
    response.once('close', () => owed.delete(response));
  });
  app.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const { problem, headers } = unreadableProblem(417);
    response.writeHead(417, headers).end(JSON.stringify(problem));
  });
  decorateRequests(app, hop);
  validateStrictly(app);
  parseBodies(app);
  return app;
}

/** After a failover the old address may lead to a standby: it answers, and no change can be made there. */
async function checkWritable<DB>(db: Kysely<DB>): Promise<void> {
  const { rows } = await sql<{ writable: boolean }>`
    select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off' as writable`.execute(
    db,
  );
  if (!rows[0]?.writable) throw new Error('the database is read-only');
}

/**
 * Builds a service's app with all that services have in common: errors as problems, request ids, health, metrics, authentication, the audit
 * trail, transactions and an ordered close. It neither listens nor starts loops.
 * @throws when the master key cannot be read, the database does not answer or lacks a migration
 */
export async function createServer<DB>(options: ServerOptions<DB>): Promise<Server<DB>> {
  const { service, schema, source, config } = options;
  const app = createApp(config, service);
  const isUnavailable = (error: unknown): boolean =>
    isDatabaseUnavailable(error) ||
    (options.unavailable ?? []).some((recognises) => recognises(error));
  const masterKey = await loadMasterKey(config.MASTER_KEY_FILE);
  const { db } = createDatabase<DB>({
    url: config.DATABASE_URL,
    applicationName: `muniment-${config.REPLICA}`,
    poolMax: config.DATABASE_POOL_MAX,
    statementTimeoutMs: config.DATABASE_STATEMENT_TIMEOUT_MS,
    onIdleError: (error) => app.log.warn({ err: error }, 'idle database connection lost'),
  });
  const loops: BackgroundLoop[] = [];
  const closed: (() => unknown)[] = [];
  // Registered first, so it runs last: whatever closes after it would find no database.
  app.addHook('onClose', async () => {
    await Promise.all(loops.map((loop) => loop.stop()));
    await Promise.all(closed.map((close) => close()));
    await feed.stop();
    kinesis.destroy();
    keys.close();
    await db.destroy();
  });
  app.addHook('onListen', async () => {
    for (const loop of loops) loop.start();
  });

  const credentials =
    config.AWS_ACCESS_KEY_ID && config.AWS_SECRET_ACCESS_KEY
      ? { accessKeyId: config.AWS_ACCESS_KEY_ID, secretAccessKey: config.AWS_SECRET_ACCESS_KEY }
      : undefined;
  const kinesis = createKinesisClient({
    region: config.AWS_REGION,
    endpoint: config.KINESIS_ENDPOINT,
    credentials,
  });
  let signing: Awaited<ReturnType<typeof createSigning>> | undefined;
  const keys = createPublicKeyRing({
    load: () => loadPublicKeys(db),
    isUnavailable: isDatabaseUnavailable,
    onRead: () => void signing?.renew(),
    onError: (error) => app.log.warn({ err: error }, 'public keys could not be read again'),
  });
  const revocations = createRevocations();
  revocations.onAdd(({ kind, id }) => {
    if (kind === 'key') keys.revoke(id);
  });
  const feed = createRevocationFeed({
    url: config.DATABASE_DIRECT_URL ?? config.DATABASE_URL,
    applicationName: `muniment-${config.REPLICA}-feed`,
    revocations,
    log: app.log,
  });
  try {
    await verifyMigrated(db, [databaseMigrations, ...options.migrations]);

    renderErrors(app, isUnavailable);
    await secureHeaders(app, config.CORS_ORIGINS);
    await shedLoad(app, config.EVENT_LOOP_MAX_DELAY_MS);

    const subjectKeys = createSubjectKeys(masterKey);
    const sessions = createSessionLookup({
      revocations,
      query: queryLiveSessions(db),
      isUnavailable: isDatabaseUnavailable,
    });
    const apiTokens = createApiTokenLookup({
      revocations,
      query: queryApiTokens(db),
      isUnavailable: isDatabaseUnavailable,
    });
    const revalidatePrincipal = createRevalidatePrincipal({
      sessions,
      apiTokens,
      revocations,
      keys,
    });
    await feed.start();
    const sessionsLastSeen = createLastSeen({ touch: touchSessions(db) });
    const apiTokensLastSeen = createLastSeen({ touch: touchApiTokens(db) });
    loops.push(
      flushLastSeen('sessions', sessionsLastSeen, app.log),
      flushLastSeen('API tokens', apiTokensLastSeen, app.log),
    );
    const cookies = createSessionCookies({
      hostPrefix: config.COOKIE_HOST_PREFIX,
      origins: ownOrigins(config),
    });
    let poke = (): void => {};
    const { inTransaction, recordFor } = createTransactions(db, {
      schema,
      prepareEvent: createEventPreparer({ source, subjectKeys }),
      revalidatePrincipal,
      onCommit: () => poke(),
      maxPendingCommits: Math.ceil(config.DATABASE_POOL_MAX / 2),
    });
    const { signing: loadSigning } = options;
    signing = loadSigning && (await createSigning(() => loadSigning(db, masterKey), keys, app.log));
    await app.register(authentication, {
      keys,
      sessions,
      revocations,
      activity: sessionsLastSeen,
      cookies,
      apiTokens: { lookup: apiTokens, activity: apiTokensLastSeen },
      issuer: config.JWT_ISSUER,
      audience: config.JWT_AUDIENCE,
      ...(signing && { signing }),
      ...(options.viewers && { viewers: options.viewers(db) }),
      onDenied: async (request, { permission, reason }) => {
        await recordFor(request, {
          action: 'ACCESS_DENIED',
          outcome: 'failure',
          metadata: { permission, reason, operation: request.routeOptions.config.operation ?? '' },
        });
      },
    });

    acceptIdempotencyKeys(app, {
      db,
      schema,
      masterKey,
      cookies,
      recordFor,
      ttlSeconds: config.IDEMPOTENCY_TTL_S,
    });
    loops.push(
      deleteExpiredAnswersLoop(db, schema, config.IDEMPOTENCY_TTL_S, (error) =>
        app.log.warn(
          { err: error },
          'answers past their time could not be deleted; it is tried again',
        ),
      ),
    );

    const metrics = measureRequests(app, service);
    measureRevocations(metrics, { revocations, feed, sessions });
    const limits = await createLimits(db, {
      masterKey,
      rules: limitRules(config.LIMIT_RULES),
      enabled: config.LIMITS === 'on',
      metrics,
      onRefundLost: (error) => app.log.warn({ err: error }, 'tries could not be given back'),
    });
    const localLimits = createLocalLimits(db, limits, isDatabaseUnavailable);
    await limitRequests(app, limits, localLimits);
    loops.push(
      deleteFullLimits(db, (error) =>
        app.log.warn({ err: error }, 'limits could not be swept; it is tried again'),
      ),
    );
    const trail = createOutboxRelays({ db, config, kinesis, log: app.log, metrics });
    const addOutbox = (outbox: Outbox): Relay => {
      const relay = trail.add(outbox);
      loops.push({ name: `relay-${outbox.source}`, ...relay });
      return relay;
    };
    poke = addOutbox({ schema, source }).wake;
    const erasure = options.erasure(db, subjectKeys);
    const eraseWithAnswers = async (userId: string): Promise<void> => {
      await erasure.erase(userId);
      await deleteAnswersOfUser(db, schema, userId);
    };
    loops.push(
      createErasureLoop(db, { ...erasure, erase: eraseWithAnswers }, subjectKeys.drop, (error) =>
        app.log.warn({ err: error }, 'an erasure could not be worked off yet'),
      ),
    );
    const health = reportHealth(app, [
      { name: 'postgres', critical: true, check: () => checkWritable(db) },
      trail.streamCheck,
      {
        name: 'revocation_feed',
        critical: false,
        check: async () => {
          if (!revocations.isFresh()) throw new Error('stale');
        },
      },
      ...(options.checks ?? []),
    ]);
    return {
      app,
      db,
      inTransaction,
      recordFor,
      subjectKeys,
      masterKey,
      sessions,
      revocations,
      sessionsLastSeen,
      apiTokens,
      apiTokensLastSeen,
      revalidatePrincipal,
      cookies,
      keys,
      kinesis,
      metrics,
      limits,
      localLimits,
      log: app.log,
      health,
      addOutbox,
      problemOf: (error, requestId) => problemOf(error, requestId, isUnavailable),
      background: (loop) => void loops.push(loop),
      afterLoops: (close) => void closed.push(close),
    };
  } catch (error) {
    await app.close();
    throw error;
  }
}
