import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Fastify, { type LightMyRequestResponse } from 'fastify';
import pg from 'pg';
import type { Test } from 'tap';
import { accessTokens, type Role } from '@muniment/security';
import { buildApp } from '../app.ts';
import type { AuditContext } from '../context.ts';
import { readConfig } from '../config.ts';
import type { NewEvent } from '@muniment/audit-events';
import { STREAM, startParts, until, type Parts } from './parts.ts';
import { sealStored } from './sealing/seal-stored.ts';
import { ensureSigningKey } from '../../user/signing-keys/signing-keys.ts';

export interface Caller {
  id: string;
  token: string;
}

export interface TestServer extends Parts {
  server: AuditContext;
  /** Somebody signed in, as the user service would leave them in the tables. */
  signIn(role?: Role): Promise<Caller>;
  get(url: string, caller?: Caller): Promise<LightMyRequestResponse>;
  superuser: pg.Client;
}

/** An audit service of its own database and stream, closed when the test ends. It does not listen, so its loops are not started. */
export async function build(
  t: Test,
  settings: Record<string, string> = {},
  tokenSeconds = 900,
): Promise<TestServer> {
  const parts = await startParts(t);
  const masterKeyFile = join(t.testdir(), 'master.key');
  await writeFile(masterKeyFile, parts.masterKeyText);
  const auditKeyFile = join(t.testdirName, 'audit-key');
  await writeFile(auditKeyFile, parts.auditKey.signingKey);
  const signing = {
    key: await ensureSigningKey(parts.producer, parts.masterKey),
    ttlSeconds: tokenSeconds,
  };
  const server = await buildApp(
    readConfig({
      PORT: '0',
      LOG_LEVEL: 'silent',
      LIMITS: 'off',
      EVENT_LOOP_MAX_DELAY_MS: '0',
      REPLICA: 'audit-1',
      MASTER_KEY_FILE: masterKeyFile,
      AUDIT_KEY_FILE: auditKeyFile,
      DATABASE_URL: parts.database.url('audit_service'),
      KINESIS_ENDPOINT: parts.kinesis.endpoint,
      KINESIS_STREAM: STREAM,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      ...settings,
    }),
  );
  t.teardown(() => server.app.close());
  const issuer = Fastify();
  await issuer.register(accessTokens, {
    keys: server.keys,
    issuer: 'muniment',
    audience: 'muniment-api',
    signing,
  });
  t.teardown(() => issuer.close());
  const superuser = new pg.Client({ connectionString: parts.database.url() });
  await superuser.connect();
  t.teardown(() => superuser.end());
  return {
    ...parts,
    server,
    superuser,
    async signIn(role = 'customer') {
      const id = randomUUID();
      const sessionId = randomUUID();
      await superuser.query(
        'insert into identity.users (id, type, email, email_key) values ($1, $3, $2, $2)',
        [id, `${id}@example.com`, role],
      );
      await superuser.query(
        "insert into identity.sessions (id, user_id, idle_timeout, expires_at) values ($1, $2, interval '1 day', now() + interval '1 day')",
        [sessionId, id],
      );
      return {
        id,
        token: issuer.accessTokens.issue({
          userId: id,
          sessionId,
          role,
          sessionExpiresAt: new Date(Date.now() + 86_400_000),
        }).token,
      };
    },
    get: (url, caller) =>
      server.app.inject({
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

/** Records through the outbox, relays, stores and seals; then the consumer is stopped, so that the set stays as it is. @returns the ids, oldest first */
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

/** Something that a caller did, from a known place. */
export const eventsOf = (caller: Caller, more: Partial<NewEvent> = {}): Partial<NewEvent> => ({
  subject: { userId: caller.id },
  user_id: caller.id,
  personal: { email: 'ada@example.com', ip: '192.0.2.7', user_agent: 'tap' },
  ...more,
});
