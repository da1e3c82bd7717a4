import pg from 'pg';
import type { Kysely, Transaction } from 'kysely';
import { LeaseLost } from '../errors.ts';
import { findEventIdentities, insertEvents, type EventIdentity } from '../queries/events.ts';
import { addReceived, findReceived } from '../queries/lanes.ts';
import { insertQuarantined } from '../queries/quarantine.ts';
import { addSearchTerms } from '../queries/search-terms.ts';
import type { SearchTerms } from '../search-terms.ts';
import type { Tables } from '../tables.ts';
import { moveCheckpoint, type ShardLease } from './shard-leases.ts';
import { sortRecords, type QuarantinedRecord, type ReceivedEvent, type ReceivedRecord, type SortedRecords } from './sort-records.ts';

export interface StoredCounts {
  stored: number;
  duplicates: number;
  quarantined: number;
}

const sameEvent = (known: EventIdentity | undefined, { event }: ReceivedEvent): boolean =>
  known !== undefined && known.source === event.source && known.action === event.action && known.request_id === event.request_id;

/**
 * Stores what is new among the events.
 *
 * Every record that decodes as an event counts as received, whether it is stored, dismissed as known or quarantined: the outbox may let go
 * of it. A record that does not decode never counts. Its number may be as damaged as the rest of it, and counting it would let the
 * producer delete the only good copy; not counted, the true row is sent again from the outbox, and a hole that stays is an alarm.
 */
async function storeEvents(trx: Transaction<Tables>, events: readonly ReceivedEvent[]): Promise<{ stored: Set<string>; repeats: ReceivedEvent[]; refused: QuarantinedRecord[] }> {
  if (events.length === 0) return { stored: new Set(), repeats: [], refused: [] };
  const received = await findReceived(trx, events.map(({ event }) => event));
  const fresh = new Map<string, ReceivedEvent>();
  for (const [index, one] of events.entries()) if (!received.has(index) && !fresh.has(one.event.id)) fresh.set(one.event.id, one);
  const inserted = fresh.size === 0 ? new Set<string>() : await insertEvents(trx, [...fresh.values()].map(({ event }) => event));

  const doubtful = events.filter((one) => fresh.get(one.event.id) !== one || !inserted.has(one.event.id));
  if (doubtful.length === 0) return { stored: inserted, repeats: [], refused: [] };
  const known = await findEventIdentities(trx, doubtful.map(({ event }) => event.id));
  const repeats = doubtful.filter((one) => sameEvent(known.get(one.event.id), one));
  const refused = doubtful.filter((one) => !sameEvent(known.get(one.event.id), one)).map(({ event, record }) => ({
    record,
    reason: known.has(event.id)
      ? `the id ${event.id} belongs to another event`
      : `the number ${event.source}/${event.lane}/${event.seq} belongs to another event than ${event.id}`,
  }));
  return { stored: inserted, repeats, refused };
}

async function storeSorted(
  db: Kysely<Tables>, lease: ShardLease, ttlMs: number, checkpoint: string | null, ended: boolean, sorted: SortedRecords, searchTerms: Pick<SearchTerms, 'ofEvents'> | undefined,
  /** Events whose numbers count as received, stored or not. */
  counted: readonly ReceivedEvent[] = sorted.events,
): Promise<StoredCounts> {
  // Before the transaction: keys may have to be fetched, and the lanes are locked in it.
  const terms = await searchTerms?.ofEvents(sorted.events.map(({ event }) => event)) ?? [];
  return db.transaction().execute(async (trx) => {
    if (!(await moveCheckpoint(trx, lease, ttlMs, checkpoint, ended))) throw new LeaseLost(lease.shardId);
    const { stored, repeats, refused } = await storeEvents(trx, sorted.events);
    const added = terms.filter(({ event_id }) => stored.has(event_id));
    if (added.length > 0) await addSearchTerms(trx, added);
    if (counted.length > 0) await addReceived(trx, counted.map(({ event }) => event), [...repeats, ...sorted.repeats].map(({ event }) => event));
    const quarantined = [...sorted.quarantined, ...refused];
    if (quarantined.length > 0) {
      await insertQuarantined(trx, lease.stream, lease.shardId, quarantined.map(({ record, reason }) => ({ ...record, reason })));
    }
    return { stored: stored.size, duplicates: repeats.length + sorted.repeats.length, quarantined: quarantined.length };
  });
}

/** Data exceptions, integrity violations and program limits: this content will never go in, however often it is tried. */
const isRefusedContent = (error: unknown): error is pg.DatabaseError => error instanceof pg.DatabaseError && /^(22|23|54)/.test(error.code ?? '');

/**
 * Stores a batch of a shard: rows, received numbers and the shard's checkpoint in one transaction, so that any of them alone never exists.
 * A record that PostgreSQL will not take is found by halving and quarantined; it never stands in the way of the rest.
 * @throws LeaseLost when the shard has another holder; whatever the database throws when it is out of reach
 */
export async function storeBatch(
  db: Kysely<Tables>, lease: ShardLease, ttlMs: number, records: readonly ReceivedRecord[], ended: boolean, searchTerms?: Pick<SearchTerms, 'ofEvents'>,
): Promise<StoredCounts> {
  const checkpoint = records.at(-1)?.sequenceNumber ?? null;
  try {
    return await storeSorted(db, lease, ttlMs, checkpoint, ended, await sortRecords(records), searchTerms);
  } catch (error) {
    if (!isRefusedContent(error) || records.length === 0) throw error;
    const [only] = records;
    if (only && records.length === 1) {
      // It decodes, so its number is believed: not counted, it would be sent again for ever and hold up its lane.
      const { events } = await sortRecords(records);
      return storeSorted(db, lease, ttlMs, checkpoint, ended, { events: [], repeats: [], quarantined: [{ record: only, reason: error.message }] }, undefined, events);
    }
    const half = Math.ceil(records.length / 2);
    const first = await storeBatch(db, lease, ttlMs, records.slice(0, half), false, searchTerms);
    const second = await storeBatch(db, lease, ttlMs, records.slice(half), ended, searchTerms);
    return {
      stored: first.stored + second.stored,
      duplicates: first.duplicates + second.duplicates,
      quarantined: first.quarantined + second.quarantined,
    };
  }
}
