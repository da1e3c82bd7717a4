import { join } from 'node:path';
import { ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { startFaultProxy, startS3, type FaultProxy } from '@muniment/cluster';
import { openPersonal, type PersonalValues } from '@muniment/audit-events';
import {
  createTestDatabase,
  createTokenIssuer,
  type OutboxEvent,
  outboxEvents,
  requireStatedErrors,
  rowsOf,
  serviceEnvironment,
  signIn,
  type Teardown,
  temporaryFolder,
} from '@muniment/testing';
import { createMasterKey } from '@muniment/master-key';
import type { ServiceCall } from '@muniment/security';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { CursorInvalid, type App } from '@muniment/server';
import { buildApp } from '../app.ts';
import * as errors from '../errors.ts';
import type { FileContext } from '../context.ts';
import { readConfig } from '../config.ts';
import { ensureSigningKey } from '../../user/signing-keys/signing-keys.ts';

export interface TestUser {
  id: string;
  sessionId: string;
  headers: { authorization: string };
}

export interface Fixture {
  files: FileContext;
  app: App;
  /** Runs SQL as superuser. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** The events in the outbox, oldest first. */
  events(): Promise<OpenedEvent[]>;
  signIn(role?: 'customer' | 'vendor' | 'admin'): Promise<TestUser>;
  /** A token of the user service for a form of files. */
  callToken(user: TestUser, changed?: Partial<ServiceCall>): string;
  /** Keys of all objects and multipart uploads, without the fault proxy. */
  stored(): Promise<{ objects: string[]; uploads: string[] }>;
  s3: { endpoint: string; proxy: FaultProxy };
  /** Another replica on the same database and bucket. */
  replica(settings?: Record<string, string>): Promise<FileContext>;
  /** Listens and so starts the loops. @returns the URL */
  listen(): Promise<string>;
}

/** An event with its decrypted personal values. */
export type OpenedEvent = Omit<OutboxEvent, 'personal'> & { personal: PersonalValues };

const CREDENTIALS = { accessKeyId: 'test-access-key', secretAccessKey: 'test-secret-key' };
export const BUCKET = 'test-files';

interface Store extends Pick<Fixture, 'stored'> {
  endpoint: string;
  proxy: FaultProxy;
  stop(): Promise<void>;
}

async function startStore(t: Teardown): Promise<Store> {
  const s3 = await startS3({
    dir: join(await temporaryFolder(t), 's3'),
    buckets: [BUCKET],
    durable: false,
    ...CREDENTIALS,
  });
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: s3.port } });
  const direct = new S3Client({
    endpoint: s3.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: CREDENTIALS,
  });
  return {
    endpoint: s3.endpoint,
    proxy,
    async stored() {
      const [objects, uploads] = await Promise.all([
        direct.send(new ListObjectsV2Command({ Bucket: BUCKET })),
        direct.send(new ListMultipartUploadsCommand({ Bucket: BUCKET })),
      ]);
      return {
        objects: (objects.Contents ?? []).map(({ Key = '' }) => Key),
        uploads: (uploads.Uploads ?? []).map(({ Key = '' }) => Key),
      };
    },
    async stop() {
      await Promise.all([proxy.stop(), s3.stop()]);
      direct.destroy();
    },
  };
}

async function openedEvents(
  { crypto }: FileContext,
  { superuser, auditor }: { superuser: pg.Pool; auditor: Kysely<unknown> },
): Promise<OpenedEvent[]> {
  const sealed = await outboxEvents(rowsOf(superuser), 'files');
  const keys = await crypto.subjectKeys.forBlocks(
    auditor,
    sealed.flatMap(({ personal }) => personal ?? []),
  );
  return sealed.map(({ personal, ...event }) => {
    const key = personal && keys.of(personal);
    return { ...event, personal: key ? openPersonal(event.id, personal, key) : {} };
  });
}

/** A file service with a database, and an S3 server behind a fault proxy. */
export async function build(t: Teardown, settings: Record<string, string> = {}): Promise<Fixture> {
  requireStatedErrors(t, { ...errors, CursorInvalid });
  const s3 = await startStore(t);
  const database = await createTestDatabase(t);
  const masterKey = Buffer.alloc(32, 7);
  const environment = await serviceEnvironment(t, {
    databaseUrl: database.url('file_service'),
    masterKey: masterKey.toString('base64'),
  });
  const superuser = new pg.Pool({ connectionString: database.url(), max: 2 });
  superuser.on('error', () => undefined);
  // The file service may not read keys of subjects; the audit service may.
  const auditor = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: superuser }) });
  const key = await ensureSigningKey(auditor, createMasterKey(masterKey));
  const issuer = await createTokenIssuer(t, auditor, { key });
  t.teardown(async () => {
    await Promise.all(servers.map(({ http }) => http.app.close()));
    await Promise.all([superuser.end(), s3.stop()]);
  });

  const servers: FileContext[] = [];
  async function replica(more: Record<string, string> = {}): Promise<FileContext> {
    const server = await buildApp(
      readConfig({
        ...environment,
        REPLICA: `file-${servers.length + 1}`,
        DATABASE_POOL_MAX: '4',
        SETTLE_INTERVAL_MS: '50',
        UPLOAD_LATE_MS: '0',
        S3_ENDPOINT: s3.proxy.url,
        S3_BUCKET: BUCKET,
        S3_CONNECT_TIMEOUT_MS: '500',
        S3_REQUEST_TIMEOUT_MS: '1500',
        ...settings,
        ...more,
      }),
    );
    servers.push(server);
    return server;
  }

  const files = await replica();
  const query: Fixture['query'] = async (text, values) =>
    (await superuser.query(text, values)).rows;
  return {
    files,
    app: files.http.app,
    query,
    events: () => openedEvents(files, { superuser, auditor }),
    async signIn(role = 'customer') {
      const user = await signIn(rowsOf(superuser), { role });
      return {
        id: user.userId,
        sessionId: user.sessionId,
        headers: { authorization: `Bearer ${issuer.issue(user)}` },
      };
    },
    callToken: (user, changed) =>
      issuer.issueCall({
        audience: 'file',
        operation: 'store_form',
        caller: {
          id: user.id,
          role: 'vendor',
          sessionId: user.sessionId,
          tokenId: 'token',
          keyId: key.kid,
          expiresAt: new Date(Date.now() + 60_000),
          apiToken: null,
        },
        ip: '203.0.113.9',
        userAgent: 'the client',
        requestId: 'f'.repeat(32),
        traceparent: null,
        grant: {
          owner: user.id,
          ownerFields: [],
          types: { logo: ['image/png'], certificate: ['image/png', 'application/pdf'] },
        },
        ...changed,
      }),
    stored: s3.stored,
    s3,
    replica,
    listen: () => files.http.app.listen({ host: '127.0.0.1', port: 0 }),
  };
}
