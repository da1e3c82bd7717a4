import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import pg from 'pg';
import type { Test } from 'tap';
import { createTestDatabase } from '@muniment/database/testing';
import { generateMasterKey } from '@muniment/master-key';
import { buildApp } from '../app.ts';
import type { UserContext } from '../context.ts';
import { readConfig } from '../config.ts';

export interface SignedIn {
  user: { id: string; email: string };
  token: string;
  refresh_token: string;
  session_id: string;
}

export interface TestServer {
  server: UserContext;
  /** Requests as the gateway would pass them on. */
  call(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    options?: { body?: object | string; token?: string; headers?: Record<string, string> },
  ): Promise<LightMyRequestResponse>;
  register(email?: string, password?: string): Promise<SignedIn>;
  /** Runs SQL as superuser, to look at what is stored. */
  rows<Row>(text: string, values?: unknown[]): Promise<Row[]>;
  /** The outbox's events in order, as the relay would send them. */
  events(): Promise<
    {
      action: string;
      outcome: string;
      error: string | null;
      user_id: string | null;
      session_id: string | null;
      personal: object | null;
      metadata: Record<string, unknown>;
    }[]
  >;
  /** A second replica over the same database. */
  replica(): Promise<TestServer>;
}

export const PASSWORD = 'correct horse battery';

/** A user service of its own database, closed when the test ends. */
export async function build(t: Test, settings: Record<string, string> = {}): Promise<TestServer> {
  const database = await createTestDatabase(t);
  const masterKeyFile = join(t.testdir(), 'master.key');
  await writeFile(masterKeyFile, generateMasterKey());
  const superuser = new pg.Client({ connectionString: database.url() });
  await superuser.connect();
  const environment = {
    PORT: '0',
    LOG_LEVEL: 'silent',
    EVENT_LOOP_MAX_DELAY_MS: '0',
    MASTER_KEY_FILE: masterKeyFile,
    DATABASE_URL: database.url('user_service'),
    // On only where a test is about limits: others try as much as they need.
    LIMITS: 'off',
    KINESIS_ENDPOINT: 'http://127.0.0.1:9',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    SMTP_URL: 'smtp://127.0.0.1:9',
    MAIL_FROM: 'Muniment <no-reply@muniment.example>',
    ...settings,
  };
  const open: UserContext[] = [];
  t.teardown(async () => {
    for (const server of open) await server.app.close();
    await superuser.end();
  });

  async function start(): Promise<TestServer> {
    const server = await buildApp(readConfig(environment));
    open.push(server);
    const testServer: TestServer = {
      server,
      call(method, url, { body, token, headers } = {}) {
        const options: InjectOptions = {
          method,
          url,
          headers: {
            'user-agent': 'tap',
            ...(token && { authorization: `Bearer ${token}` }),
            ...headers,
          },
        };
        if (body !== undefined) options.payload = body;
        return server.app.inject(options);
      },
      async register(email = 'ada@example.com', password = PASSWORD) {
        const answer = await testServer.call('POST', '/api/users/register', {
          body: { email, password },
        });
        t.equal(answer.statusCode, 201, answer.body);
        return answer.json<SignedIn>();
      },
      async rows<Row>(text: string, values: unknown[] = []) {
        return (await superuser.query(text, values)).rows as Row[];
      },
      async events() {
        const stored = await testServer.rows<{ text: string }>(
          `select head || ',' || tail as text from identity.outbox order by position`,
        );
        return stored.map(({ text }) => JSON.parse(text));
      },
      replica: start,
    };
    return testServer;
  }
  return start();
}
