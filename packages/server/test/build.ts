import { Type } from 'typebox';
import type { Test } from 'tap';
import {
  connectSuperuser,
  createTestDatabase,
  type OutboxEvent,
  outboxEvents,
  type Rows,
  rowsOf,
  serviceEnvironment,
  type TestDatabase,
} from '@muniment/testing';
import {
  createServer,
  loadConfig,
  serverSettings,
  type DependencyCheck,
  type ErasurePart,
  type ServiceContext,
  type ServerConfig,
  type ServerOptions,
} from '../src/index.ts';
import type { Problem } from '../src/http/problem.ts';

/** The context with its members beside its groups, for short tests. */
const flatten = (context: ServiceContext<unknown>) => ({
  ...context,
  app: context.http.app,
  log: context.http.log,
  problemOf: context.http.problemOf,
  db: context.data.db,
  inTransaction: context.data.inTransaction,
  recordFor: context.audit.record,
  addOutbox: context.audit.addOutbox,
  kinesis: context.audit.kinesis,
  sessions: context.auth.sessions,
  sessionsLastSeen: context.auth.sessionsLastSeen,
  apiTokens: context.auth.apiTokens,
  apiTokensLastSeen: context.auth.apiTokensLastSeen,
  cookies: context.auth.cookies,
  keys: context.auth.keys,
  revocations: context.auth.revocations,
  revalidatePrincipal: context.auth.revalidate,
  localLimits: { consume: context.limits.consumeLocal },
  masterKey: context.crypto.masterKey,
  subjectKeys: context.crypto.subjectKeys,
  background: context.jobs.add,
  afterLoops: context.jobs.closeAfter,
});

export interface TestServer extends ReturnType<typeof flatten> {
  config: ServerConfig;
  /** Runs SQL as superuser. */
  rows: Rows;
  /** The outbox's events in order. */
  events(): Promise<OutboxEvent[]>;
}

/** What differs from one test to another of how a server is made. */
export interface BuildOptions extends Partial<
  Pick<ServerOptions<unknown>, 'unavailable' | 'signing'>
> {
  settings?: Record<string, string>;
  checks?: readonly DependencyCheck[];
  erasure?: ErasurePart<unknown>;
  /** Where PostgreSQL is reached, if not directly. */
  databasePort?: number;
  /** Where the revocation feed reaches it, if not as the rest does. */
  feedPort?: number;
  /** Makes another replica of this server, over its database. */
  beside?: TestServer;
}

/** The environment of a server over its own database, with a stream at which no server listens. */
export async function environment(
  t: Test,
  settings: Record<string, string> = {},
): Promise<{ env: Record<string, string>; database: TestDatabase }> {
  const database = await createTestDatabase(t);
  const env = {
    ...(await serviceEnvironment(t, { databaseUrl: database.url('user_service') })),
    LIMITS: 'on',
    REPLICA: 'probe-1',
    ...settings,
  };
  return { env, database };
}

/** A server with no routes of a service, over its own database; closed when the test ends. */
export async function build(t: Test, options: BuildOptions = {}): Promise<TestServer> {
  const { beside } = options;
  if (beside) {
    const config = { ...beside.config, REPLICA: 'probe-2' };
    return start(t, { config, rows: beside.rows }, options);
  }
  const { settings, databasePort, feedPort } = options;
  const { env, database } = await environment(t, settings);
  const databaseUrl = new URL(env.DATABASE_URL ?? '');
  if (databasePort !== undefined) databaseUrl.port = String(databasePort);
  const feedUrl = new URL(databaseUrl);
  if (feedPort !== undefined) feedUrl.port = String(feedPort);
  const config = loadConfig(Type.Object(serverSettings), {
    ...env,
    DATABASE_URL: databaseUrl.href,
    DATABASE_DIRECT_URL: feedUrl.href,
  });
  return start(t, { config, rows: rowsOf(await connectSuperuser(t, database)) }, options);
}

async function start(
  t: Test,
  { config, rows }: Pick<TestServer, 'config' | 'rows'>,
  { checks = [], erasure, unavailable, signing }: BuildOptions,
): Promise<TestServer> {
  const context = await createServer<unknown>({
    service: 'user',
    schema: 'identity',
    source: 'user',
    config,
    migrations: [],
    ...(unavailable && { unavailable }),
    ...(signing && { signing }),
  });
  for (const check of checks) context.health.add(check);
  context.erasures.handle(erasure ?? { column: 'identity_done', erase: async () => {} });
  const server = flatten(context);
  t.teardown(() => server.app.close());
  return { ...server, config, rows, events: () => outboxEvents(rows, 'identity') };
}

/** What every error must look like, whoever raised it: RFC 9457 with our two members, and nothing that tells of the inside. */
export function checkProblem(
  t: Test,
  answer: { statusCode: number; headers: Record<string, unknown>; body: string },
  status: number,
  code: string,
): Problem {
  t.equal(answer.statusCode, status, answer.body);
  t.match(answer.headers['content-type'], /^application\/problem\+json/);
  const problem: Problem = JSON.parse(answer.body);
  t.match(problem, {
    type: `https://muniment.dev/problems/${code}`,
    title: String,
    status,
    detail: String,
    code,
    request_id: /^[0-9a-f]{32}$/,
  });
  t.strictSame(
    Object.keys(problem).filter(
      (name) =>
        !['type', 'title', 'status', 'detail', 'code', 'request_id', 'errors'].includes(name),
    ),
    [],
  );
  return problem;
}
