import { randomUUID } from 'node:crypto';
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { sql, type Kysely } from 'kysely';
import { startKinesis, type RunningKinesis } from '@muniment/cluster';
import { generateSigningKey } from '@muniment/audit-key';
import { createDatabase } from '@muniment/database';
import { createTestDatabase, type TestDatabase, until } from '@muniment/testing';
import {
  createEventRecorder,
  createKinesisClient,
  createRelay,
  createSubjectKeys,
  type NewEvent,
  type RelayOptions,
  type SubjectKeys,
} from '@muniment/audit-events';
import { createMasterKey, generateMasterKey, type MasterKey } from '@muniment/master-key';
import { createConsumer, type Consumer, type ConsumerOptions } from '../consumer/consumer.ts';
import type { Tables } from '../tables.ts';

export const STREAM = 'audit-events';
export const silent = { info() {}, warn() {} };

interface Teardown {
  teardown(fn: () => unknown): void;
}

/** A producer with the user service's role and a consumer with the audit service's. */
export interface Parts {
  database: TestDatabase;
  kinesis: RunningKinesis;
  client: KinesisClient;
  /** 32 bytes, base64. */
  masterKeyText: string;
  masterKey: MasterKey;
  /** The key of the checkpoints and its verifier line. */
  auditKey: ReturnType<typeof generateSigningKey>;
  /** As `user_service`. */
  producer: Kysely<unknown>;
  /** As `audit_service`. */
  db: Kysely<Tables>;
  subjectKeys: SubjectKeys;
  record(event?: Partial<NewEvent>): Promise<string>;
  relay(options?: Partial<RelayOptions<unknown>>): ReturnType<typeof createRelay>;
  consumer(options?: Partial<ConsumerOptions>): Consumer;
  connect(kinesis: RunningKinesis | { port: number }): KinesisClient;
}

export async function startParts(
  t: Teardown,
  { shards = 2, kinesisPath }: { shards?: number; kinesisPath?: string } = {},
): Promise<Parts> {
  const database = await createTestDatabase(t);
  const kinesis = await startKinesis({
    streams: [{ name: STREAM, shards }],
    ...(kinesisPath !== undefined && { path: kinesisPath }),
  });
  t.teardown(() => kinesis.stop().catch(() => {}));
  const connect = ({ port }: { port: number }): KinesisClient => {
    const client = createKinesisClient({
      region: 'us-east-1',
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    t.teardown(() => client.destroy());
    return client;
  };
  const client = connect(kinesis);
  const { db: producer } = createDatabase<unknown>({
    url: database.url('user_service'),
    applicationName: 'test-user',
  });
  t.teardown(() => producer.destroy());
  const { db } = createDatabase<Tables>({
    url: database.url('audit_service'),
    applicationName: 'test-audit',
  });
  t.teardown(() => db.destroy());
  const masterKeyText = generateMasterKey();
  const masterKey = createMasterKey(Buffer.from(masterKeyText, 'base64'));
  const subjectKeys = createSubjectKeys(masterKey);
  const recordEvent = createEventRecorder({ source: 'user', schema: 'identity', subjectKeys });
  const userId = randomUUID();
  return {
    database,
    kinesis,
    client,
    masterKeyText,
    masterKey,
    auditKey: generateSigningKey('muniment.local/audit'),
    producer,
    db,
    subjectKeys,
    connect,
    record: (event) =>
      recordEvent(producer, {
        action: 'LOGIN_SUCCESS',
        subject: { userId },
        user_id: userId,
        personal: { ip: '192.0.2.1' },
        request_id: 'r1',
        ...event,
      }),
    relay(options) {
      const relay = createRelay({
        db: producer,
        schema: 'identity',
        source: 'user',
        replica: randomUUID(),
        kinesis: client,
        stream: STREAM,
        log: silent,
        ...options,
      });
      t.teardown(() => relay.stop());
      return relay;
    },
    consumer(options) {
      const consumer = createConsumer({
        db,
        kinesis: client,
        stream: STREAM,
        replica: 'audit-test',
        log: silent,
        leaseTtlMs: 1_500,
        listEveryMs: 500,
        ...options,
      });
      t.teardown(() => consumer.stop());
      return consumer;
    },
  };
}

export async function storedIds(db: Kysely<Tables>): Promise<string[]> {
  return (await db.selectFrom('audit.events').select('id').orderBy('id').execute()).map(
    ({ id }) => id,
  );
}

/** Records `count` events of different subjects. @returns their ids */
export async function recordMany(parts: Parts, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1)
    ids.push(await parts.record({ subject: { userId: randomUUID() } }));
  return ids;
}

export const allStored = (parts: Parts, count: number, timeoutMs = 25_000) =>
  until(async () => (await storedIds(parts.db)).length >= count, { timeoutMs });

/** Whether the lanes have no gaps, and how many numbers they received. */
export const watermarks = async ({ db }: Parts) =>
  (
    await sql<{ whole: boolean; numbers: number }>`
  select bool_and(received = '{}' or received = int8multirange(int8range(1, watermark + 1)))
      as whole, sum(watermark) as numbers from audit.lanes`.execute(db)
  ).rows[0];
