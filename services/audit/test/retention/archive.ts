import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { sql, type Kysely } from 'kysely';
import type { Test } from 'tap';
import { createEventRecorder, createSubjectKeys, type AuditEvent } from '@muniment/audit-events';
import { createSigner, generateSigningKey, signNote } from '@muniment/audit-key';
import { formatCheckpoint, parseVerifierKey } from '@muniment/audit-verify';
import { startS3 } from '@muniment/cluster';
import { createDatabase, uuidv7 } from '@muniment/database';
import { createMasterKey } from '@muniment/master-key';
import { connectSuperuser, temporaryFolder } from '@muniment/testing';
import { openAuditBucket, type AuditBucket } from '../../object-store/audit-bucket.ts';
import { insertCheckpoint } from '../../proofs/tree/checkpoint-queries.ts';
import type { RetentionOptions } from '../../retention/retention.ts';
import { rootOf } from '../../proofs/tree/grow-tree.ts';
import { findHead } from '../../proofs/tree/tree-queries.ts';
import { sealBatch } from '../../sealing/seal-batch.ts';
import { createTree, type Tree } from '../../proofs/tree/tree.ts';
import type { Tables } from '../../tables.ts';
import { silent } from '../parts.ts';
import { anEvent } from '../records.ts';
import { openLog, sealerLease, store, type Log } from '../sealing/sealed-log.ts';

const ORIGIN = 'muniment.local/audit';
/** Months that are long past. */
export const MARCH = '2025_03';
export const APRIL = '2025_04';

export interface ArchiveTest extends Log {
  /** As `audit_retention`. */
  retentionDb: Kysely<unknown>;
  superuser: pg.Client;
  bucket: AuditBucket;
  tree: Tree;
  options: RetentionOptions;
  keyLine: string;
  /** Stores events of a month in one lane and seals them; the next ones go on with its numbers. */
  log(month: string, count: number, more?: () => Partial<AuditEvent>): Promise<AuditEvent[]>;
  /** Signs the tree as it is. */
  sign(): Promise<void>;
  partitions(): Promise<string[]>;
  rowsOf(month: string): Promise<Record<string, unknown>[]>;
}

const startOf = (month: string): number =>
  Date.parse(`${month.replace('_', '-')}-01T00:00:00.000Z`);

async function openTestBucket(t: Test) {
  const s3 = await startS3({
    dir: await temporaryFolder(t),
    buckets: ['audit'],
    durable: false,
    accessKeyId: 'local',
    secretAccessKey: 'local',
  });
  t.teardown(() => s3.stop());
  const bucket = openAuditBucket({
    AUDIT_BUCKET: 'audit',
    AUDIT_S3_ENDPOINT: s3.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
  t.teardown(() => bucket.close());
  return bucket;
}

async function createPartition(superuser: ArchiveTest['superuser'], month: string): Promise<void> {
  const next = new Date(startOf(month));
  next.setUTCMonth(next.getUTCMonth() + 1);
  await superuser.query(
    `set role migrator;
    create table audit.events_${month} partition of audit.events
      for values from ('${uuidFloor(startOf(month))}') to ('${uuidFloor(next.getTime())}');
    reset role`,
  );
}

export async function openArchiveTest(t: Test): Promise<ArchiveTest> {
  const log = await openLog(t);
  const { db, database } = log;
  const { db: retentionDb } = createDatabase<unknown>({
    url: database.url('audit_retention'),
    applicationName: 'test-retention',
  });
  t.teardown(() => retentionDb.destroy());
  const superuser = await connectSuperuser(t, database);
  const bucket = await openTestBucket(t);
  const { signingKey, verifierKey } = generateSigningKey(ORIGIN);
  const signer = createSigner(signingKey);
  const subjectKeys = createSubjectKeys(createMasterKey(randomBytes(32)));
  const tree = createTree({ db });
  let seq = 0;

  for (const month of [MARCH, APRIL]) await createPartition(superuser, month);

  return {
    ...log,
    retentionDb,
    superuser,
    bucket,
    tree,
    keyLine: verifierKey,
    options: {
      db,
      retentionDb,
      bucket,
      tree,
      keys: [parseVerifierKey(verifierKey)],
      replica: 'audit-1',
      log: silent,
      months: 6,
      leaseTtlMs: 60_000,
      recordEvent: createEventRecorder({ source: 'audit', schema: 'audit', subjectKeys }),
    },
    async log(month, count, more = () => ({})) {
      const events = Array.from({ length: count }, (_, n) => {
        seq += 1;
        const time = startOf(month) + 60_000 * n + seq;
        return anEvent({
          id: uuidv7(time),
          lane: 3,
          seq,
          timestamp: new Date(time).toISOString(),
          ...more(),
        });
      });
      await store(db, events);
      const lease = await sealerLease(db);
      while ((await sealBatch(db, lease, { limit: 4_000 })).more);
      return events;
    },
    async sign() {
      const head = await findHead(db);
      const root = rootOf(head);
      const note = await signNote(formatCheckpoint({ origin: ORIGIN, size: head.size, root }), [
        signer,
      ]);
      await db
        .transaction()
        .execute((trx) => insertCheckpoint(trx, { size: head.size, root, note }));
    },
    async partitions() {
      const { rows } = await superuser.query<{ month: string }>(
        `
          select substr(relname, 8) as month from pg_class
          where relnamespace = 'audit'::regnamespace and relkind = 'r' and relname ~ '^events_2025'
          order by 1`,
      );
      return rows.map(({ month }) => month);
    },
    async rowsOf(month) {
      const { rows } = await superuser.query<Record<string, unknown>>(
        `
          select * from audit.events
          where id >= '${uuidFloor(startOf(month))}'
            and id < '${uuidFloor(startOf(month) + 28 * 86_400_000)}' order by id`,
      );
      return rows;
    },
  };
}

const uuidFloor = (ms: number): string =>
  `${ms
    .toString(16)
    .padStart(12, '0')
    .replace(/^(.{8})/, '$1-')}-0000-0000-000000000000`;

/** The events of the log itself that wait in the outbox. */
export async function announced(
  superuser: pg.Client,
): Promise<{ action: string; resource: string }[]> {
  const { rows } = await superuser.query<{ head: string; tail: string }>(
    'select head, tail from audit.outbox order by position',
  );
  return rows
    .map(({ head, tail }) => JSON.parse(`${head},${tail}`) as { action: string; resource: string })
    .map(({ action, resource }) => ({ action, resource }));
}

export async function addTerms(db: Kysely<Tables>, events: readonly AuditEvent[]): Promise<void> {
  const terms = events.map(({ id }) => createHash('sha256').update(id).digest().subarray(0, 16));
  await sql`
    select audit.add_search_terms(${terms}::bytea[], ${events.map(({ id }) => id)}::uuid[],
      ${events.map(({ personal }) => personal?.subject ?? '')}::text[])`.execute(db);
}

export async function objectsOf(bucket: AuditBucket): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of bucket.list('')) keys.push(key);
  return keys;
}
