import { randomUUID } from 'node:crypto';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  ListShardsCommand,
  type KinesisClient,
} from '@aws-sdk/client-kinesis';
import { sql, type Kysely } from 'kysely';
import { startKinesis, type RunningKinesis } from '@muniment/cluster';
import { createDatabase } from '@muniment/database';
import { createTestDatabase, type TestDatabase } from '@muniment/testing';
import { createMasterKey, generateMasterKey, type MasterKey } from '@muniment/master-key';
import type { AuditEvent } from '../src/event.ts';
import { createKinesisClient } from '../src/kinesis.ts';
import { createEventRecorder, type NewEvent, type RecordEvent } from '../src/record-event.ts';
import { createRelay, type Relay, type RelayOptions } from '../src/relay/relay.ts';
import { createSubjectKeys, type SubjectKeys } from '../src/subject-keys.ts';

export const STREAM = 'audit-events';

interface Teardown {
  teardown(fn: () => unknown): void;
}

export interface Producer {
  database: TestDatabase;
  masterKey: MasterKey;
  /** As `user_service`. */
  db: Kysely<unknown>;
  /** As `audit_service`, which alone may say what is stored. */
  audit: Kysely<unknown>;
  subjectKeys: SubjectKeys;
  recordEvent: RecordEvent;
}

export const aRequest = (more: Partial<NewEvent> = {}): NewEvent => ({
  action: 'LOGIN_SUCCESS',
  subject: { userId: randomUUID() },
  personal: { ip: '192.0.2.1' },
  request_id: 'r1',
  ...more,
});

/** An outbox of its own database, as the user service has it. */
export async function startProducer(t: Teardown): Promise<Producer> {
  const database = await createTestDatabase(t);
  const open = (role: 'user_service' | 'audit_service'): Kysely<unknown> => {
    const { db } = createDatabase<unknown>({
      url: database.url(role),
      applicationName: `test-${role}`,
    });
    t.teardown(() => db.destroy());
    return db;
  };
  const masterKey = createMasterKey(Buffer.from(generateMasterKey(), 'base64'));
  const subjectKeys = createSubjectKeys(masterKey);
  return {
    database,
    masterKey,
    subjectKeys,
    db: open('user_service'),
    audit: open('audit_service'),
    recordEvent: createEventRecorder({ source: 'user', schema: 'identity', subjectKeys }),
  };
}

/** What the outbox still has, in order. */
export async function outboxRows(
  db: Kysely<unknown>,
): Promise<{ event_id: string; lane: number; seq: number | null; head: string; tail: string }[]> {
  return (
    await sql<{ event_id: string; lane: number; seq: number | null; head: string; tail: string }>`
    select event_id, lane, seq, head, tail from identity.outbox order by position`.execute(db)
  ).rows;
}

export const everyEvent = (rows: readonly { head: string; tail: string }[]): AuditEvent[] =>
  rows.map(({ head, tail }) => JSON.parse(`${head},"seq":1,${tail}`) as AuditEvent);

/** Plays the audit service: says that these events are stored. */
export async function markStored(
  audit: Kysely<unknown>,
  events: readonly AuditEvent[],
): Promise<void> {
  for (const { source, lane, seq } of events) {
    await sql`
      update audit.lanes set received = received + int8multirange(int8range(${seq}, ${seq}, '[]'))
      where source = ${source} and lane = ${lane}`.execute(audit);
  }
}

export async function startStream(
  t: Teardown,
  options: { path?: string; port?: number } = {},
): Promise<RunningKinesis> {
  const kinesis = await startKinesis({ streams: [{ name: STREAM, shards: 2 }], ...options });
  t.teardown(() => kinesis.stop().catch(() => {}));
  return kinesis;
}

export function connect(t: Teardown, port: number): KinesisClient {
  const client = createKinesisClient({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  t.teardown(() => client.destroy());
  return client;
}

/** A reader of a test waits: on a busy machine an answer may take longer than a relay's 5 s. */
const PATIENT = { requestTimeout: 60_000 };

/** Everything that lies in the stream. */
export async function readStream(kinesis: KinesisClient): Promise<AuditEvent[]> {
  const events: AuditEvent[] = [];
  const { Shards = [] } = await kinesis.send(
    new ListShardsCommand({ StreamName: STREAM }),
    PATIENT,
  );
  for (const { ShardId } of Shards) {
    let { ShardIterator: iterator } = await kinesis.send(
      new GetShardIteratorCommand({
        StreamName: STREAM,
        ShardId,
        ShardIteratorType: 'TRIM_HORIZON',
      }),
      PATIENT,
    );
    for (;;) {
      const { Records = [], NextShardIterator } = await kinesis.send(
        new GetRecordsCommand({ ShardIterator: iterator }),
        PATIENT,
      );
      if (Records.length === 0) break;
      events.push(
        ...Records.map(
          ({ Data = new Uint8Array() }) => JSON.parse(Buffer.from(Data).toString()) as AuditEvent,
        ),
      );
      iterator = NextShardIterator;
    }
  }
  return events;
}

/**
 * Lists faults in the numbering: ids with two numbers, numbers with two ids, holes. Empty when
 * correct.
 */
export function numberingFaults(events: readonly AuditEvent[]): string[] {
  const faults = new Set<string>();
  const idOf = new Map<string, string>();
  const numberOf = new Map<string, string>();
  const highest = new Map<number, number>();
  for (const { id, lane, seq } of events) {
    const number = `${lane}/${seq}`;
    if ((idOf.get(number) ?? id) !== id) faults.add(`number ${number} names two events`);
    if ((numberOf.get(id) ?? number) !== number) faults.add(`event ${id} has two numbers`);
    idOf.set(number, id);
    numberOf.set(id, number);
    highest.set(lane, Math.max(highest.get(lane) ?? 0, seq));
  }
  for (const [lane, last] of highest) {
    for (let seq = 1; seq <= last; seq += 1)
      if (!idOf.has(`${lane}/${seq}`)) faults.add(`number ${lane}/${seq} is missing`);
  }
  return [...faults].sort();
}

export function startRelay(
  t: Teardown,
  producer: Producer,
  kinesis: KinesisClient,
  options: Partial<RelayOptions<unknown>> = {},
): Relay {
  const relay = createRelay({
    db: producer.db,
    schema: 'identity',
    source: 'user',
    replica: randomUUID(),
    kinesis,
    stream: STREAM,
    log: { info() {}, warn() {} },
    leaseTtlMs: 600,
    ...options,
  });
  t.teardown(() => relay.stop());
  relay.start();
  return relay;
}
