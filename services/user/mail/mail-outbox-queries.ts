import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

export interface NewMailRow {
  id: string;
  user_id: string;
  template: string;
  locale: string;
  wrapped_mail: Buffer;
  /** The token that the mail carries, if it does: voided, it takes the mail with it. */
  reset_token?: Buffer;
  email_change?: Buffer;
}

export async function insertMail(trx: Transaction<Tables>, mail: NewMailRow): Promise<void> {
  await trx.insertInto('identity.mail_outbox').values(mail).execute();
}

export interface ClaimedMail {
  id: string;
  template: string;
  locale: string;
  wrapped_mail: Buffer;
  reset_token: Buffer | null;
  email_change: Buffer | null;
  /** This one included. */
  attempts: number;
  created: Date;
}

/**
 * Takes mails that are due out of every replica's sight for `leaseMs`. Rows that another one is taking are passed over, so nobody waits and no mail
 * is had by two; one whose holder died comes back when the time is up.
 */
export async function claimMails(
  db: Kysely<Tables>,
  claim: string,
  limit: number,
  leaseMs: number,
): Promise<ClaimedMail[]> {
  const { rows } = await sql<ClaimedMail>`
    update identity.mail_outbox m set claim = ${claim}, attempts = attempts + 1, next_attempt = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    from (
      select id from identity.mail_outbox where status = 'waiting' and next_attempt <= clock_timestamp()
      order by next_attempt limit ${limit} for update skip locked
    ) due
    where m.id = due.id
    returning m.id, m.template, m.locale, m.wrapped_mail, m.reset_token, m.email_change, m.attempts, m.created`.execute(
    db,
  );
  return rows;
}

/** Forgets a mail that was sent, with all that it said. @returns false when it was erased or taken by another meanwhile */
export async function deleteMail(db: Kysely<Tables>, id: string, claim: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('identity.mail_outbox')
    .where('id', '=', id)
    .where('claim', '=', claim)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

export async function rescheduleMail(
  db: Kysely<Tables>,
  id: string,
  claim: string,
  delayMs: number,
): Promise<void> {
  await sql`
    update identity.mail_outbox set claim = null, next_attempt = clock_timestamp() + ${delayMs} * interval '1 millisecond'
    where id = ${id} and claim = ${claim}`.execute(db);
}

/** Gives a mail up. What stays says that it was not sent, and nothing of what it said. */
export async function markMailDead(db: Kysely<Tables>, id: string, claim: string): Promise<void> {
  await sql`
    update identity.mail_outbox set status = 'dead', wrapped_mail = null, reset_token = null, email_change = null, claim = null where id = ${id} and claim = ${claim}`.execute(
    db,
  );
}

/** Brings what waits for a later attempt forward, spread over `withinMs`: the server has just been found to answer again. */
export async function rescheduleMails(db: Kysely<Tables>, withinMs: number): Promise<void> {
  await sql`
    update identity.mail_outbox set next_attempt = clock_timestamp() + random() * ${withinMs} * interval '1 millisecond'
    where id in (
      select id from identity.mail_outbox where status = 'waiting' and claim is null and next_attempt > clock_timestamp() + ${withinMs} * interval '1 millisecond'
      limit 1000 for update skip locked
    )`.execute(db);
}

export interface MailBacklog {
  waiting: number;
  dead: number;
  /** Seconds since the oldest one that waits was written; 0 when none does. */
  oldest_seconds: number;
}

export async function mailBacklog(db: Kysely<Tables>): Promise<MailBacklog> {
  const { rows } = await sql<MailBacklog>`
    select count(*) filter (where status = 'waiting') as waiting, count(*) filter (where status = 'dead') as dead,
      coalesce(extract(epoch from clock_timestamp() - min(created) filter (where status = 'waiting')), 0)::float8 as oldest_seconds
    from identity.mail_outbox`.execute(db);
  return rows[0] ?? { waiting: 0, dead: 0, oldest_seconds: 0 };
}

/** Forgets mails that were given up a week ago and more. */
export async function deleteDeadMails(db: Kysely<Tables>): Promise<void> {
  await sql`delete from identity.mail_outbox where status = 'dead' and created < now() - interval '8 days'`.execute(
    db,
  );
}
