import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Kysely } from 'kysely';
import { canonicalJson, type AuditEvent } from '@muniment/audit-events';
import { uuidv7 } from '@muniment/database';
import { claimShards, registerShards, type ShardLease } from '../consumer/shard-leases.ts';
import type { ReceivedRecord } from '../event-store/received-event.ts';
import type { Tables } from '../tables.ts';

export const CREATED = new Date('2026-01-01T00:00:00.000Z');

let sequence = 0;

export function anEvent(more: Partial<AuditEvent> = {}): AuditEvent {
  return {
    version: 1,
    id: uuidv7(Date.now()),
    source: 'user',
    lane: 3,
    seq: 1,
    tenant_id: null,
    action: 'LOGIN_SUCCESS',
    outcome: 'success',
    user_id: randomUUID(),
    resource: null,
    resource_type: null,
    session_id: null,
    request_id: 'r1',
    traceparent: null,
    metadata: { text: 'äöü' },
    error: null,
    timestamp: new Date().toISOString(),
    personal: {
      subject: randomUUID(),
      key_id: randomUUID(),
      commitment: randomBytes(32).toString('base64'),
      nonce: randomBytes(12).toString('base64'),
      ciphertext: randomBytes(90).toString('base64'),
    },
    ...more,
  };
}

/** A record of the stream. */
export function aRecord(content: AuditEvent | string): ReceivedRecord {
  sequence += 1;
  return {
    sequenceNumber: String(sequence).padStart(20, '0'),
    data: Buffer.from(typeof content === 'string' ? content : canonicalJson(content)),
  };
}

/** Inserts events into the user service's outbox as sent. @param producer as `user_service` */
export async function asSent<DB>(
  producer: Kysely<DB>,
  events: readonly AuditEvent[],
): Promise<void> {
  const halves = events.map((event) => canonicalJson(event).split(`,"seq":${event.seq},`));
  await sql`
    insert into identity.outbox (event_id, lane, seq, head, tail, sent_at)
    select r.*, now() from unnest(
      ${events.map(({ id }) => id)}::uuid[], ${events.map(({ lane }) => lane)}::smallint[],
      ${events.map(({ seq }) => seq)}::bigint[], ${halves.map(([head]) => head)}::text[],
      ${halves.map(([, tail]) => tail)}::text[]) as r`.execute(producer);
  await sql`
    update identity.outbox_lanes l set last_seq = greatest(last_seq, n.seq)
    from (select lane, max(seq) as seq from identity.outbox group by lane) n
    where n.lane = l.lane`.execute(producer);
}

/** A lease on the next free of these shards. */
export async function aLease(
  db: Kysely<Tables>,
  { owner = 'a', ttlMs = 60_000, shardIds = ['shard-0'] } = {},
): Promise<ShardLease> {
  const stream = {
    name: 'test',
    created: CREATED,
    shards: shardIds.map((id) => ({ id, parents: [] })),
  };
  await registerShards(db, stream);
  for (;;) {
    const [lease] = await claimShards(db, stream, { owner, ttlMs, limit: 1 });
    if (lease) return lease;
    await sleep(10);
  }
}
