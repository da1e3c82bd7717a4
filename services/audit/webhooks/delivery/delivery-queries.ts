import { sql, type Kysely, type Selectable, type Transaction } from 'kysely';
import type { Tables, WebhookDeliveriesTable } from '../../tables.ts';
import type { SealedEvent } from '../../proofs/sealed-event-queries.ts';

export type WebhookDelivery = Selectable<WebhookDeliveriesTable>;

/** An enabled webhook's place in the log. */
export interface WebhookState {
  id: string;
  position: number;
  failures: number;
  /** Left alone until a later time. */
  paused: boolean;
  /** Pending deliveries, counted up to a limit. */
  waiting: number;
  /** The newest index of the log. */
  head: number;
}

export async function listWebhookStates(
  db: Kysely<Tables>,
  waitingLimit: number,
): Promise<WebhookState[]> {
  const { rows } = await sql<WebhookState>`
    select w.id, w.position, w.failures, coalesce(w.probe_at > now(), false) as paused,
      head.index as head,
      (select count(*) from (
        select from audit.webhook_deliveries d
        where d.webhook_id = w.id and d.status = 'pending' limit ${waitingLimit}
      ) waiting) as waiting
    from audit.webhooks w, (select coalesce(max(index), -1) as index from audit.sealed) head
    where w.enabled`.execute(db);
  return rows;
}

/**
 * Makes deliveries from the next part of the log, up to `head`, and moves the webhook's position
 * behind it.
 * @returns how many deliveries were made
 */
export async function insertDeliveries(
  trx: Transaction<Tables>,
  webhookId: string,
  { head, window, limit }: { head: number; window: number; limit: number },
): Promise<number> {
  const { rows: webhooks } = await sql<{
    position: number;
  }>`select position from audit.webhooks where id = ${webhookId} and enabled for update`.execute(
    trx,
  );
  const position = webhooks[0]?.position;
  if (position === undefined || position >= head) return 0;
  const upTo = Math.min(head, position + window);
  const { rows } = await sql<{ made: number; last: number | null }>`
    with wanted as materialized (
      select s.index, e.id
      from audit.webhooks w, audit.sealed s join audit.events e on e.id = s.event_id
      where w.id = ${webhookId} and s.index > ${position} and s.index <= ${upTo}
        and (w.tenant_id is null or e.tenant_id = w.tenant_id)
        and (w.actions = '{}' or exists (
          select from unnest(w.actions) wanted
          where e.action = wanted
            or (right(wanted, 1) = '*' and starts_with(e.action, left(wanted, -1)))))
      order by s.index limit ${limit}
    ), made as (
      insert into audit.webhook_deliveries (webhook_id, event_id, index)
      select ${webhookId}::uuid, id, index from wanted on conflict do nothing
    ) select count(*) as made, max(index) as last from wanted`.execute(trx);
  const { made = 0, last = null } = rows[0] ?? {};
  await sql`
    update audit.webhooks set position = ${made === limit && last !== null ? last : upTo}
    where id = ${webhookId}`.execute(trx);
  return made;
}

/** Marks a delivery dead whose event lies in an archive. */
export async function markDead(
  trx: Transaction<Tables>,
  webhookId: string,
  eventId: string,
): Promise<void> {
  await sql`
    update audit.webhook_deliveries
    set status = 'dead', last_error = 'event_archived', last_attempt_at = now()
    where webhook_id = ${webhookId} and event_id = ${eventId}
      and not exists (select from audit.events where id = ${eventId})`.execute(trx);
}

/** Due deliveries, longest due first, without those in progress. */
export async function listDueEventIds(
  db: Kysely<Tables>,
  webhookId: string,
  { inProgress, limit }: { inProgress: readonly string[]; limit: number },
): Promise<string[]> {
  const { rows } = await sql<{ event_id: string }>`
    select event_id from audit.webhook_deliveries
    where webhook_id = ${webhookId} and status = 'pending' and next_attempt_at <= now()
      and not (event_id = any(${inProgress}::uuid[]))
    order by next_attempt_at limit ${limit}`.execute(db);
  return rows.map(({ event_id: id }) => id);
}

/** A delivery with everything that it is made of. */
export interface DeliveryParts extends SealedEvent {
  webhook_id: string;
  url: string;
  include_personal: boolean;
  created_by: string;
  wrapped_secret: Buffer;
  wrapped_previous_secret: Buffer | null;
  attempts: number;
  failures: number;
  timestamp: Date;
}

/**
 * A pending delivery as it is now; undefined when its webhook is off or gone, or its event
 * archived.
 */
export async function findDeliveryParts(
  db: Kysely<Tables>,
  webhookId: string,
  eventId: string,
): Promise<DeliveryParts | undefined> {
  const { rows } = await sql<DeliveryParts>`
    select w.id as webhook_id, w.url, w.include_personal, w.created_by, w.wrapped_secret,
      w.failures, case when w.previous_secret_until > now()
        then w.wrapped_previous_secret end as wrapped_previous_secret,
      d.index, d.attempts, e.id, e.subject, e.record, e.personal_key_id, e.personal_nonce,
      e.personal_ciphertext, e.timestamp, e.action
    from audit.webhook_deliveries d join audit.webhooks w on w.id = d.webhook_id
    join audit.events e on e.id = d.event_id
    where d.webhook_id = ${webhookId} and d.event_id = ${eventId} and d.status = 'pending'
      and w.enabled`.execute(db);
  return rows[0];
}

/** A delivered event needs no row. */
export async function deleteDelivery(
  trx: Transaction<Tables>,
  webhookId: string,
  eventId: string,
): Promise<void> {
  await trx
    .deleteFrom('audit.webhook_deliveries')
    .where('webhook_id', '=', webhookId)
    .where('event_id', '=', eventId)
    .execute();
}

/** Makes later attempts due within some seconds, after an outage of the endpoint. */
export async function rescheduleDeliveries(
  trx: Transaction<Tables>,
  webhookId: string,
  withinMs: number,
): Promise<void> {
  await sql`
    update audit.webhook_deliveries
    set next_attempt_at =
      least(next_attempt_at, now() + random() * ${withinMs} * interval '1 millisecond')
    where webhook_id = ${webhookId} and status = 'pending'`.execute(trx);
}

/** Records a failed attempt; without a delay it was the last. */
export async function failDelivery(
  trx: Transaction<Tables>,
  { webhookId, eventId }: { webhookId: string; eventId: string },
  attempt: { status: number | null; error: string | null; delayMs: number | undefined },
): Promise<void> {
  await sql`
    update audit.webhook_deliveries
    set attempts = attempts + 1, last_attempt_at = now(), last_status = ${attempt.status},
      last_error = ${attempt.error},
      status = ${attempt.delayMs === undefined ? 'dead' : 'pending'},
      next_attempt_at = now() + ${attempt.delayMs ?? 0} * interval '1 millisecond'
    where webhook_id = ${webhookId} and event_id = ${eventId}`.execute(trx);
}

/** Pending or dead deliveries of a webhook, newest in the log first. */
export async function listDeliveries(
  db: Kysely<Tables>,
  webhookId: string,
  {
    status,
    before,
    limit,
  }: { status?: 'pending' | 'dead' | undefined; before: number; limit: number },
): Promise<WebhookDelivery[]> {
  return db
    .selectFrom('audit.webhook_deliveries')
    .selectAll()
    .where('webhook_id', '=', webhookId)
    .where('index', '<', before)
    .$if(status !== undefined, (query) => query.where('status', '=', status ?? 'dead'))
    .orderBy('index', 'desc')
    .limit(limit)
    .execute();
}

/** Makes a delivery due now, with all its attempts again. */
export async function retryDelivery(
  trx: Transaction<Tables>,
  webhookId: string,
  eventId: string,
): Promise<WebhookDelivery | undefined> {
  return trx
    .updateTable('audit.webhook_deliveries')
    .set({ status: 'pending', attempts: 0, next_attempt_at: sql`now()` })
    .where('webhook_id', '=', webhookId)
    .where('event_id', '=', eventId)
    .returningAll()
    .executeTakeFirst();
}

/** Age in seconds of the oldest event that an enabled webhook has not received; 0 without one. */
export async function readUndeliveredAge(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select coalesce(extract(epoch from now() - min(e.timestamp)), 0)::float8 as seconds
    from audit.webhooks w
    cross join lateral (
      select coalesce((
        select min(d.index) from audit.webhook_deliveries d
        where d.webhook_id = w.id and d.status = 'pending'
      ), w.position + 1) as index
    ) next
    join audit.sealed s on s.index = next.index join audit.events e on e.id = s.event_id
    where w.enabled`.execute(db);
  return Math.max(0, rows[0]?.seconds ?? 0);
}

/** Deletes deliveries that died before a time. @returns how many */
export async function deleteDeadDeliveries(db: Kysely<Tables>, before: Date): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('audit.webhook_deliveries')
    .where('status', '=', 'dead')
    .where('last_attempt_at', '<', before)
    .executeTakeFirst();
  return Number(numDeletedRows);
}
