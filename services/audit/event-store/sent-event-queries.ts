import { sql, type Transaction } from 'kysely';
import type { Tables } from '../tables.ts';

/** What identifies a received event. */
export interface SentEvent {
  source: string;
  lane: number;
  seq: number;
  id: string;
  /** SHA-256 of the record's bytes. */
  digest: Buffer;
}

/**
 * Finds the events that their source's outbox holds under that number, byte for byte. An outbox
 * keeps a row until it is stored, so a new event that is not there was never sent by us.
 * @returns indexes into `events`
 */
export async function findSent(
  trx: Transaction<Tables>,
  events: readonly SentEvent[],
): Promise<Set<number>> {
  const sent = new Set<number>();
  for (const [source, own] of Map.groupBy(events.keys(), (index) => events[index]?.source ?? '')) {
    const of = <Value>(pick: (event: SentEvent) => Value): Value[] =>
      own.flatMap((index) => {
        const event = events[index];
        return event ? [pick(event)] : [];
      });
    const { rows } = await sql<{ n: number }>`
      select n from shared.find_sent(${source}, ${of(({ lane }) => lane)}::smallint[],
        ${of(({ seq }) => seq)}::bigint[],
        ${of(({ id }) => id)}::uuid[], ${of(({ digest }) => digest)}::bytea[]) as n`.execute(trx);
    for (const { n } of rows) sent.add(own[n - 1] ?? -1);
  }
  return sent;
}
