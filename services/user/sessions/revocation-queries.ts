import { sql, type Kysely } from 'kysely';
import type { Tables } from '../tables.ts';

/** Saves the token lifetime, since revocations must be stored as long. */
export async function saveTokenLifetime(db: Kysely<Tables>, seconds: number): Promise<void> {
  await sql`
    insert into identity.access_token_lifetimes (seconds, used_at) values (${seconds}, now())
    on conflict (seconds) do update set used_at = now()`.execute(db);
}

/** Deletes revocations and lifetimes that no living token can match. */
export async function deleteExpiredRevocations(db: Kysely<Tables>): Promise<void> {
  await sql`delete from identity.revocations where counts_until < now()`.execute(db);
  await sql`
    delete from identity.access_token_lifetimes
    where used_at < now() - interval '3 days'`.execute(db);
}
