import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { startFaultProxy, startS3, type FaultProxy } from '@muniment/cluster';
import { openPersonal, type AuditEvent, type PersonalValues } from '@muniment/audit-events';
import { createTestDatabase } from '@muniment/database/testing';
import { createMasterKey } from '@muniment/master-key';
import { accessTokens, createPublicKeyRing, loadPublicKeys } from '@muniment/security';
import Fastify from 'fastify';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { buildApp, type FileContext } from '../app.ts';
import { readConfig } from '../config.ts';
import type { FileResource } from '../files/file-resource.ts';
import { ensureSigningKey } from '../../user/signing-keys/signing-keys.ts';

interface Teardown {
  teardown(fn: () => Promise<unknown>): void;
}

export interface TestUser {
  id: string;
  sessionId: string;
  headers: { authorization: string };
}

export interface Fixture {
  files: FileContext;
  app: FileContext['app'];
  /** Statements as the superuser. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** The events in the outbox, oldest first. */
  events(): Promise<OutboxEvent[]>;
  signIn(role?: 'customer' | 'vendor' | 'admin'): Promise<TestUser>;
  /** Keys of all objects and open multipart uploads in the bucket, asked past the fault proxy. */
  stored(): Promise<{ objects: string[]; uploads: string[] }>;
  s3: { endpoint: string; proxy: FaultProxy };
  /** Another replica on the same database and bucket. */
  replica(settings?: Record<string, string>): Promise<FileContext>;
  /** Listens, which starts the loops; answers the URL. */
  listen(): Promise<string>;
}

export interface OutboxEvent {
  id: string;
  action: string;
  user_id: string | null;
  resource: string | null;
  resource_type: string | null;
  session_id: string | null;
  request_id: string;
  metadata: Record<string, unknown>;
  /** Opened with the key of the subject. */
  personal: PersonalValues;
}

const CREDENTIALS = { accessKeyId: 'test-access-key', secretAccessKey: 'test-secret-key' };
export const BUCKET = 'test-files';

/** A file service on its own database and its own S3 server behind a fault proxy; all of it ends with the test. */
export async function build(t: Teardown, settings: Record<string, string> = {}): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-file-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const database = await createTestDatabase(t);
  const key = Buffer.alloc(32, 7);
  await writeFile(join(folder, 'master.key'), key.toString('base64'));

  const s3 = await startS3({
    dir: join(folder, 's3'),
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
  const superuser = new pg.Pool({ connectionString: database.url(), max: 2 });
  superuser.on('error', () => undefined);
  // What reads the keys of others is the audit service's right, not this service's.
  const auditor = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: superuser }) });
  const signing = await signer(auditor, key);
  t.teardown(async () => {
    await Promise.all(servers.map(({ app }) => app.close()));
    await Promise.all([signing.close(), superuser.end(), proxy.stop(), s3.stop()]);
    direct.destroy();
  });

  const servers: FileContext[] = [];
  async function replica(more: Record<string, string> = {}): Promise<FileContext> {
    const server = await buildApp(
      readConfig({
        PORT: '0',
        LOG_LEVEL: 'silent',
        LIMITS: 'off',
        EVENT_LOOP_MAX_DELAY_MS: '0',
        REPLICA: `file-${servers.length + 1}`,
        MASTER_KEY_FILE: join(folder, 'master.key'),
        DATABASE_URL: database.url('file_service'),
        DATABASE_POOL_MAX: '4',
        KINESIS_ENDPOINT: 'http://127.0.0.1:9',
        SETTLE_INTERVAL_MS: '50',
        UPLOAD_LATE_MS: '0',
        AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
        AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
        S3_ENDPOINT: proxy.url,
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
    app: files.app,
    query,
    async events() {
      const rows = await query<{ head: string; tail: string }>(
        'select head, tail from files.outbox order by position',
      );
      const sealed = rows.map(({ head, tail }): AuditEvent => JSON.parse(`${head},${tail}`));
      const keys = await files.subjectKeys.forBlocks(
        auditor,
        sealed.flatMap(({ personal }) => personal ?? []),
      );
      return sealed.map(({ personal, ...event }) => {
        const key = personal && keys.of(personal);
        return { ...event, personal: key ? openPersonal(event.id, personal, key) : {} };
      });
    },
    async signIn(role = 'customer') {
      const [id, sessionId] = [randomUUID(), randomUUID()];
      await query(
        'insert into identity.users (id, type, email, email_key) values ($1, $2, $3, $3)',
        [id, role, `${id}@example.com`],
      );
      await query(
        `insert into identity.sessions (id, user_id, idle_timeout, expires_at) values ($1, $2, interval '1 day', now() + interval '1 day')`,
        [sessionId, id],
      );
      return {
        id,
        sessionId,
        headers: {
          authorization: `Bearer ${signing.issue({ userId: id, sessionId, role, sessionExpiresAt: new Date(Date.now() + 86_400_000) })}`,
        },
      };
    },
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
    s3: { endpoint: s3.endpoint, proxy },
    replica,
    listen: () => files.app.listen({ host: '127.0.0.1', port: 0 }),
  };
}

type Issue = (subject: {
  userId: string;
  sessionId: string;
  role: 'customer' | 'vendor' | 'admin';
  sessionExpiresAt: Date;
}) => string;

/** Issues tokens as the user service does, with the key pair that it would have put into the database. */
async function signer(
  db: Kysely<unknown>,
  masterKey: Buffer,
): Promise<{ issue: Issue; close(): Promise<unknown> }> {
  const key = await ensureSigningKey(db, createMasterKey(masterKey));
  const keys = createPublicKeyRing({ load: () => loadPublicKeys(db) });
  const app = Fastify();
  await app.register(accessTokens, {
    keys,
    issuer: 'muniment',
    audience: 'muniment-api',
    signing: { key, ttlSeconds: 900 },
  });
  await app.ready();
  return {
    issue: (subject) => app.accessTokens.issue(subject).token,
    close: async () => {
      keys.close();
      await app.close();
    },
  };
}

/** A multipart/form-data body as a browser makes it. */
export async function form(
  ...parts: { name?: string; filename?: string; type?: string; content: Buffer | string }[]
): Promise<{ payload: Buffer; headers: { 'content-type': string } }> {
  const data = new FormData();
  for (const {
    name = 'file',
    filename = 'a.bin',
    type = 'application/octet-stream',
    content,
  } of parts) {
    data.append(
      name,
      new File([typeof content === 'string' ? content : new Uint8Array(content)], filename, {
        type,
      }),
    );
  }
  const response = new Response(data);
  return {
    payload: Buffer.from(await response.arrayBuffer()),
    headers: { 'content-type': response.headers.get('content-type') ?? '' },
  };
}

/** Uploads one file and answers what the service says of it. */
export async function upload(
  app: FileContext['app'],
  user: TestUser,
  content: Buffer | string,
  filename = 'a.bin',
  type?: string,
): Promise<FileResource> {
  const { payload, headers } = await form({
    filename,
    content,
    ...(type !== undefined && { type }),
  });
  const answer = await app.inject({
    method: 'POST',
    url: '/api/files',
    headers: { ...user.headers, ...headers },
    payload,
  });
  if (answer.statusCode !== 201)
    throw new Error(`upload answered ${answer.statusCode} ${answer.body}`);
  return answer.json();
}
