import { sql, type Kysely, type Transaction } from 'kysely';
import { InvalidFields } from '@muniment/server';
import type { Tables } from '../../tables.ts';

/** Bytes of the claim, as PostgreSQL writes it. The view leaves a larger one out. */
const MAX_BYTES = 512;

/** Parses the setting that names the keys. */
export const parseTokenKeys = (setting: string): string[] =>
  setting.split(',').filter((key) => key !== '');

/** Saves which keys of app_metadata tokens hold, since all services compare tokens by them. */
export async function saveTokenMetadataKeys(
  db: Kysely<Tables>,
  keys: readonly string[],
): Promise<void> {
  await sql`
    with given as (select unnest(${keys}::text[]) as key),
      gone as (delete from identity.token_metadata_keys where key <> all (${keys}::text[]))
    insert into identity.token_metadata_keys (key) select key from given
    on conflict do nothing`.execute(db);
}

/**
 * Refuses app_metadata of which more than a token can hold would enter it.
 * @throws InvalidFields
 */
export async function requireTokenSize(
  trx: Transaction<Tables>,
  userId: string,
  pointer: string,
): Promise<void> {
  const { rows } = await sql<{ bytes: number | null; keys: string[] | null }>`
    select octet_length(jsonb_object_agg(k.key, u.app_metadata -> k.key)::text) as bytes,
      array_agg(k.key order by k.key) as keys
    from identity.users u join identity.token_metadata_keys k on u.app_metadata ? k.key
    where u.id = ${userId}`.execute(trx);
  const [{ bytes, keys } = { bytes: null, keys: null }] = rows;
  if ((bytes ?? 0) <= MAX_BYTES) return;
  const message = `has more than ${MAX_BYTES} bytes in ${keys?.join(', ')}, which enter tokens`;
  throw new InvalidFields([{ pointer, message }]);
}
