import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import type { Test } from 'tap';
import {
  connectSuperuser,
  createTestDatabase,
  type OutboxEvent,
  outboxEvents,
  type Rows,
  requireStatedErrors,
  rowsOf,
  GATEWAY_HEADERS,
  serviceEnvironment,
} from '@muniment/testing';
import { CursorInvalid, ExportCapacity } from '@muniment/server';
import {
  AdminPasswordLength,
  PasswordCommon,
  PasswordLength,
  PasswordMalformed,
} from '@muniment/security';
import { buildApp } from '../app.ts';
import * as errors from '../errors.ts';
import type { UserContext } from '../context.ts';
import { readConfig } from '../config.ts';

export interface SignedIn {
  user: { id: string; email: string };
  token: string;
  refresh_token: string;
  session_id: string;
}

export interface TestServer {
  context: UserContext;
  /** Sends a request as the gateway forwards it. */
  call(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    options?: { body?: object | string; token?: string; headers?: Record<string, string> },
  ): Promise<LightMyRequestResponse>;
  register(email?: string, password?: string): Promise<SignedIn>;
  /** Runs SQL as superuser. */
  rows: Rows;
  /** The outbox's events in order. */
  events(): Promise<OutboxEvent[]>;
  /** A second replica over the same database. */
  replica(changed?: Record<string, string>): Promise<TestServer>;
}

const SHARED_ERRORS = {
  AdminPasswordLength,
  CursorInvalid,
  ExportCapacity,
  PasswordCommon,
  PasswordLength,
  PasswordMalformed,
};
export const PASSWORD = 'correct horse battery';

/** A user service with its own database, closed when the test ends. */
export async function build(t: Test, settings: Record<string, string> = {}): Promise<TestServer> {
  requireStatedErrors(t, { ...errors, ...SHARED_ERRORS });
  const database = await createTestDatabase(t);
  const rows = rowsOf(await connectSuperuser(t, database));
  const environment = {
    ...(await serviceEnvironment(t, { databaseUrl: database.url('user_service') })),
    SMTP_URL: 'smtp://127.0.0.1:9',
    MAIL_FROM: 'Muniment <no-reply@muniment.example>',
    ...settings,
  };
  const open: UserContext[] = [];
  t.teardown(async () => {
    for (const { http } of open) await http.app.close();
  });

  async function start(changed: Record<string, string> = {}): Promise<TestServer> {
    const context = await buildApp(readConfig({ ...environment, ...changed }));
    open.push(context);
    const testServer: TestServer = {
      context,
      call(method, url, { body, token, headers } = {}) {
        const options: InjectOptions = {
          method,
          url,
          headers: {
            ...GATEWAY_HEADERS,
            'user-agent': 'tap',
            ...(token && { authorization: `Bearer ${token}` }),
            ...headers,
          },
        };
        if (body !== undefined) options.payload = body;
        return context.http.app.inject(options);
      },
      async register(email = 'ada@example.com', password = PASSWORD) {
        const answer = await testServer.call('POST', '/api/users/register', {
          body: { email, password },
        });
        t.equal(answer.statusCode, 201, answer.body);
        return answer.json<SignedIn>();
      },
      rows,
      events: () => outboxEvents(rows, 'identity'),
      replica: start,
    };
    return testServer;
  }
  return start();
}
