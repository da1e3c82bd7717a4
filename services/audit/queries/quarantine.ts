import { sql, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

export interface QuarantineEntry {
  sequenceNumber: string;
  reason: string;
  data: Uint8Array;
}

const MAX_REASON_CHARACTERS = 500;

/** Keeps what is no event, with its bytes and the reason, for somebody to look at. */
export async function insertQuarantined(trx: Transaction<Tables>, stream: string, shardId: string, entries: readonly QuarantineEntry[]): Promise<void> {
  await sql`
    insert into audit.quarantine (stream, shard_id, sequence_number, reason, data)
    select ${stream}, ${shardId}, q.*
    from unnest(
      ${entries.map(({ sequenceNumber }) => sequenceNumber)}::text[],
      ${entries.map(({ reason }) => reason.toWellFormed().replaceAll('\0', '').slice(0, MAX_REASON_CHARACTERS))}::text[],
      ${entries.map(({ data }) => Buffer.from(data))}::bytea[]) as q
    on conflict do nothing`.execute(trx);
}
