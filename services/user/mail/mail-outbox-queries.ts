import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

export interface NewMailRow {
  id: string;
  user_id: string;
  template: string;
  locale: string;
  wrapped_mail: Buffer;
  /** Hash of the mail's token. Deleting the token deletes the mail. */
  reset_token?: Buffer;
  email_change?: Buffer;
}

export async function insertMail(trx: Transaction<Tables>, mail: NewMailRow): Promise<void> {
  await trx.insertInto('identity.mail_outbox').values(mail).execute();
}

export interface ClaimedMail {
  id: string;
  /** By which only the claiming replica changes the row. */
  claim: string;
  template: string;
  locale: string;
  wrapped_mail: Buffer;
  reset_token: Buffer | null;
  email_change: Buffer | null;
  /** Including this one. */
  attempts: number;
  created: Date;
}

/** Claims due mails for `leaseMs`. No two replicas get the same mail. */
export async function claimMails(
  db: Kysely<Tables>,
  claim: string,
  { limit, leaseMs }: { limit: number; leaseMs: number },
): Promise<ClaimedMail[]> {
  const { rows } = await sql<ClaimedMail>`
    update identity.mail_outbox m
    set claim = ${claim}, attempts = attempts + 1,
      next_attempt = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    from (
      select id from identity.mail_outbox
      where status = 'waiting' and next_attempt <= clock_timestamp()
      order by next_attempt limit ${limit} for update skip locked
    ) due
    where m.id = due.id
    returning m.id, m.claim, m.template, m.locale, m.wrapped_mail, m.reset_token, m.email_change,
      m.attempts, m.created`.execute(db);
  return rows;
}

type Claim = Pick<ClaimedMail, 'id' | 'claim'>;

/** Deletes a sent mail. @returns false when it was erased, or claimed by another replica */
export async function deleteMail(db: Kysely<Tables>, { id, claim }: Claim): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('identity.mail_outbox')
    .where('id', '=', id)
    .where('claim', '=', claim)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

export async function rescheduleMail(
  db: Kysely<Tables>,
  { id, claim }: Claim,
  delayMs: number,
): Promise<void> {
  await sql`
    update identity.mail_outbox
    set claim = null, next_attempt = clock_timestamp() + ${delayMs} * interval '1 millisecond'
    where id = ${id} and claim = ${claim}`.execute(db);
}

/** Gives a mail up. Its row stays without content. */
export async function markMailDead(db: Kysely<Tables>, { id, claim }: Claim): Promise<void> {
  await sql`
    update identity.mail_outbox
    set status = 'dead', wrapped_mail = null, reset_token = null, email_change = null, claim = null
    where id = ${id} and claim = ${claim}`.execute(db);
}

/** Reschedules later attempts within `withinMs`, spread at random: the server answers again. */
export async function rescheduleMails(db: Kysely<Tables>, withinMs: number): Promise<void> {
  await sql`
    update identity.mail_outbox
    set next_attempt = clock_timestamp() + random() * ${withinMs} * interval '1 millisecond'
    where id in (
      select id from identity.mail_outbox where status = 'waiting' and claim is null
        and next_attempt > clock_timestamp() + ${withinMs} * interval '1 millisecond'
      limit 1000 for update skip locked
    )`.execute(db);
}

export interface MailBacklog {
  waiting: number;
  dead: number;
  /** Age of the oldest waiting mail in seconds; 0 when none waits. */
  oldest_seconds: number;
}

export async function findMailBacklog(db: Kysely<Tables>): Promise<MailBacklog> {
  const { rows } = await sql<MailBacklog>`
    select count(*) filter (where status = 'waiting') as waiting,
      count(*) filter (where status = 'dead') as dead,
      coalesce(extract(epoch from clock_timestamp()
        - min(created) filter (where status = 'waiting')), 0)::float8 as oldest_seconds
    from identity.mail_outbox`.execute(db);
  return rows[0] ?? { waiting: 0, dead: 0, oldest_seconds: 0 };
}

/** Deletes mails that were given up about a week ago. */
export async function deleteDeadMails(db: Kysely<Tables>): Promise<void> {
  await sql`
    delete from identity.mail_outbox
    where status = 'dead' and created < now() - interval '8 days'`.execute(db);
}
