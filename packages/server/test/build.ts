import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from 'typebox';
import pg from 'pg';
import type { Test } from 'tap';
import { createTestDatabase } from '@muniment/database/testing';
import { generateMasterKey } from '@muniment/master-key';
import {
  createServer,
  flatServer,
  loadConfig,
  serverSettings,
  type DependencyCheck,
  type ErasurePart,
  type Server,
  type ServerConfig,
  type ServerOptions,
} from '../src/index.ts';
import type { Problem } from '../src/http/problem.ts';

export interface TestServer extends Server<unknown> {
  config: ServerConfig;
  /** Runs SQL as superuser, to look at what is stored. */
  rows<Row>(text: string, values?: unknown[]): Promise<Row[]>;
  /** The outbox's events in order, as the relay would send them. */
  events(): Promise<Record<string, unknown>[]>;
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
}

/** The environment of a server over its own database, with a stream that nobody listens at. */
export async function environment(
  t: Test,
  settings: Record<string, string> = {},
): Promise<{ env: Record<string, string>; superuserUrl: string }> {
  const database = await createTestDatabase(t);
  const masterKeyFile = join(t.testdir(), 'master.key');
  await writeFile(masterKeyFile, generateMasterKey());
  const env = {
    // Off: on a busy machine a test's own event loop lags.
    EVENT_LOOP_MAX_DELAY_MS: '0',
    PORT: '0',
    LOG_LEVEL: 'silent',
    REPLICA: 'probe-1',
    MASTER_KEY_FILE: masterKeyFile,
    DATABASE_URL: database.url('user_service'),
    KINESIS_ENDPOINT: 'http://127.0.0.1:9',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    ...settings,
  };
  return { env, superuserUrl: database.url() };
}

/** A server with no routes of a service, over its own database; closed when the test ends. */
export async function build(
  t: Test,
  { settings, databasePort, feedPort, checks = [], erasure, ...options }: BuildOptions = {},
): Promise<TestServer> {
  const { env, superuserUrl } = await environment(t, settings);
  const databaseUrl = new URL(env.DATABASE_URL ?? '');
  if (databasePort !== undefined) databaseUrl.port = String(databasePort);
  const feedUrl = new URL(databaseUrl);
  if (feedPort !== undefined) feedUrl.port = String(feedPort);
  const config = loadConfig(Type.Object(serverSettings), {
    ...env,
    DATABASE_URL: databaseUrl.href,
    DATABASE_DIRECT_URL: feedUrl.href,
  });
  const superuser = new pg.Client({ connectionString: superuserUrl });
  await superuser.connect();
  const context = await createServer<unknown>({
    service: 'user',
    schema: 'identity',
    source: 'user',
    config,
    migrations: [],
    ...options,
  });
  for (const check of checks) context.health.add(check);
  context.erasures.handle(erasure ?? { column: 'identity_done', erase: async () => {} });
  const server = flatServer(context);
  t.teardown(async () => {
    await server.app.close();
    await superuser.end();
  });
  return {
    ...server,
    config,
    async rows<Row>(text: string, values: unknown[] = []) {
      return (await superuser.query(text, values)).rows as Row[];
    },
    async events() {
      const { rows } = await superuser.query<{ text: string }>(
        `select head || ',' || tail as text from identity.outbox order by position`,
      );
      return rows.map(({ text }) => JSON.parse(text));
    },
  };
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
