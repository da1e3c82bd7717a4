import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LightMyRequestResponse } from 'fastify';
import type pg from 'pg';
import type { Test } from 'tap';
import type { Role } from '@muniment/security';
import {
  connectSuperuser,
  createTokenIssuer,
  requireStatedErrors,
  rowsOf,
  serviceEnvironment,
  signIn,
  until,
} from '@muniment/testing';
import { CursorInvalid, ExportCapacity } from '@muniment/server';
import { buildApp } from '../app.ts';
import * as errors from '../errors.ts';
import type { AuditContext } from '../context.ts';
import { readConfig } from '../config.ts';
import type { NewEvent } from '@muniment/audit-events';
import { STREAM, startParts, type Parts } from './parts.ts';
import { sealStored } from './sealing/seal-stored.ts';
import { ensureSigningKey } from '../../user/signing-keys/signing-keys.ts';

export interface Caller {
  id: string;
  token: string;
}

export interface TestServer extends Parts {
  server: AuditContext;
  /** Signs a new user in, as the user service leaves it in the tables. */
  signIn(role?: Role): Promise<Caller>;
  get(url: string, caller?: Caller): Promise<LightMyRequestResponse>;
  superuser: pg.Client;
}

/** An audit service with its own database and stream. Its loops start only when it listens. */
export async function build(
  t: Test,
  settings: Record<string, string> = {},
  tokenSeconds = 900,
): Promise<TestServer> {
  requireStatedErrors(t, { ...errors, CursorInvalid, ExportCapacity });
  const parts = await startParts(t);
  const auditKeyFile = join(t.testdir(), 'audit-key');
  await writeFile(auditKeyFile, parts.auditKey.signingKey);
  const superuser = await connectSuperuser(t, parts.database);
  const issuer = await createTokenIssuer(t, parts.producer, {
    key: await ensureSigningKey(parts.producer, parts.masterKey),
    ttlSeconds: tokenSeconds,
  });
  const server = await buildApp(
    readConfig({
      ...(await serviceEnvironment(t, {
        databaseUrl: parts.database.url('audit_service'),
        masterKey: parts.masterKeyText,
      })),
      REPLICA: 'audit-1',
      AUDIT_KEY_FILE: auditKeyFile,
      KINESIS_ENDPOINT: parts.kinesis.endpoint,
      KINESIS_STREAM: STREAM,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      ...settings,
    }),
  );
  t.teardown(() => server.http.app.close());
  return {
    ...parts,
    server,
    superuser,
    async signIn(role = 'customer') {
      const user = await signIn(rowsOf(superuser), { role });
      return { id: user.userId, token: issuer.issue(user) };
    },
    get: (url, caller) =>
      server.http.app.inject({
        method: 'GET',
        url,
        headers: caller ? { authorization: `Bearer ${caller.token}` } : {},
      }),
  };
}

export interface LogEntry {
  [field: string]: unknown;
  id: string;
  user_id: string | null;
  action: string;
}

/** Records, relays, stores and seals events, then stops. @returns the ids, oldest first */
export async function storeEvents(
  parts: TestServer,
  events: readonly Partial<NewEvent>[],
  { seal = true } = {},
): Promise<string[]> {
  const relay = parts.relay();
  const consumer = parts.consumer({ searchTerms: parts.server.searchTerms });
  const ids: string[] = [];
  for (const event of events) ids.push(await parts.record(event));
  relay.start();
  consumer.start();
  await until(
    async () =>
      (await parts.db.selectFrom('audit.events').select('id').where('id', 'in', ids).execute())
        .length === ids.length,
  );
  await relay.stop();
  await consumer.stop();
  if (seal) await sealStored(parts.db);
  return ids;
}

/** An event of the caller from a known address. */
export const eventsOf = (caller: Caller, more: Partial<NewEvent> = {}): Partial<NewEvent> => ({
  subject: { userId: caller.id },
  user_id: caller.id,
  personal: { email: 'ada@example.com', ip: '192.0.2.7', user_agent: 'tap' },
  ...more,
});
