import {
  sql,
  type Insertable,
  type Kysely,
  type Selectable,
  type Transaction,
  type Updateable,
} from 'kysely';
import type { Tables, WebhooksTable } from '../../tables.ts';

export type Webhook = Selectable<WebhooksTable>;
export type WebhookChanges = Pick<
  Updateable<WebhooksTable>,
  'url' | 'description' | 'actions' | 'tenant_id' | 'include_personal' | 'enabled'
>;

/** Serialises inserts, so that two at once do not exceed the limit together. */
const CREATING_LOCK = 7_305_160;

/** Counts the webhooks. Nobody adds one before this transaction ends. */
export async function countWebhooksToAdd(trx: Transaction<Tables>): Promise<number> {
  await sql`select pg_advisory_xact_lock(${CREATING_LOCK})`.execute(trx);
  const { count } = await trx
    .selectFrom('audit.webhooks')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

export async function insertWebhook(
  trx: Transaction<Tables>,
  webhook: Insertable<WebhooksTable>,
): Promise<Webhook> {
  return trx.insertInto('audit.webhooks').values(webhook).returningAll().executeTakeFirstOrThrow();
}

export async function listWebhooks(db: Kysely<Tables>): Promise<Webhook[]> {
  return db.selectFrom('audit.webhooks').selectAll().orderBy('id').execute();
}

export async function findWebhook(db: Kysely<Tables>, id: string): Promise<Webhook | undefined> {
  return db.selectFrom('audit.webhooks').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Locks a webhook until the transaction ends. */
export async function lockWebhook(
  trx: Transaction<Tables>,
  id: string,
): Promise<Webhook | undefined> {
  return trx
    .selectFrom('audit.webhooks')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst();
}

/**
 * Replaces the secret; the current one becomes the previous. Of two rotations at once the second
 * sees the first's.
 * @returns whether the webhook exists
 */
export async function rotateSecret(
  trx: Transaction<Tables>,
  id: string,
  wrapped: Buffer,
  previousUntil: Date,
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('audit.webhooks')
    .where('id', '=', id)
    .set(({ ref }) => ({
      wrapped_secret: wrapped,
      wrapped_previous_secret: ref('wrapped_secret'),
      previous_secret_until: previousUntil,
      updated: sql`now()`,
    }))
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** Updates a webhook. Enabling it clears its failures. */
export async function updateWebhook(
  trx: Transaction<Tables>,
  id: string,
  changes: WebhookChanges,
): Promise<Webhook | undefined> {
  const afresh = changes.enabled
    ? { disabled_reason: null, failures: 0, failing_since: null, probe_at: null }
    : {};
  return trx
    .updateTable('audit.webhooks')
    .set({ ...changes, ...afresh, updated: sql`now()` })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
}

export async function deleteWebhook(
  trx: Transaction<Tables>,
  id: string,
): Promise<Webhook | undefined> {
  return trx.deleteFrom('audit.webhooks').where('id', '=', id).returningAll().executeTakeFirst();
}

/** Disables a webhook for a reason. @returns false when it is disabled already */
export async function disableWebhook(
  trx: Transaction<Tables>,
  id: string,
  reason: 'gone' | 'failing',
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('audit.webhooks')
    .set({ enabled: false, disabled_reason: reason, updated: sql`now()` })
    .where('id', '=', id)
    .where('enabled', '=', true)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Clears the failures of an endpoint that answered as it should. */
export async function clearFailures(trx: Transaction<Tables>, id: string): Promise<void> {
  await trx
    .updateTable('audit.webhooks')
    .set({ failures: 0, failing_since: null, probe_at: null })
    .where('id', '=', id)
    .execute();
}

/** Counts one more failure in a row. @returns the count, and since when it fails */
export async function addFailure(
  trx: Transaction<Tables>,
  id: string,
): Promise<{ failures: number; failing_since: Date } | undefined> {
  const { rows } = await sql<{ failures: number; failing_since: Date }>`
    update audit.webhooks
    set failures = least(failures + 1, 1000000), failing_since = coalesce(failing_since, now())
    where id = ${id} returning failures, failing_since`.execute(trx);
  return rows[0];
}

export async function setProbe(trx: Transaction<Tables>, id: string, inMs: number): Promise<void> {
  await sql`
    update audit.webhooks set probe_at = now() + ${inMs} * interval '1 millisecond'
    where id = ${id}`.execute(trx);
}
