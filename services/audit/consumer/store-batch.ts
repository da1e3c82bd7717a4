import type { Kysely, Transaction } from 'kysely';
import type { SubjectKeys } from '@muniment/audit-events';
import { LeaseLost } from '@muniment/database';
import { addReceived } from '../event-store/lane-queries.ts';
import { isRefusedContent } from '../event-store/refused-content.ts';
import { saveQuarantined } from '../quarantine/encrypt-records.ts';
import { MAX_STORED_BYTES } from '../quarantine/quarantine-queries.ts';
import { insertSearchTerms } from '../search/search-term-queries.ts';
import type { SearchTerms } from '../search/search-terms.ts';
import type { Tables } from '../tables.ts';
import { moveCheckpoint, type ShardLease } from './shard-leases.ts';
import { sortRecords, type ReceivedRecord, type SortedRecords } from './sort-records.ts';
import {
  refuseEvents,
  storeEvents,
  type Attest,
  type StoredEvents,
} from '../event-store/store-events.ts';

export interface StoredCounts {
  stored: number;
  duplicates: number;
  quarantined: number;
}

export interface StoreOptions {
  searchTerms?: Pick<SearchTerms, 'createTerms'> | undefined;
  /** Encrypts quarantined bytes; without it they are stored in the clear. The consumer has it. */
  subjectKeys?: SubjectKeys | undefined;
  /** Asks the outboxes; without it each decoded event is believed. The consumer has it. */
  attest?: Attest | undefined;
}

async function storeSorted(
  db: Kysely<Tables>,
  lease: ShardLease,
  ttlMs: number,
  checkpoint: string | null,
  ended: boolean,
  sorted: SortedRecords,
  { searchTerms, subjectKeys }: StoreOptions,
  store: (trx: Transaction<Tables>) => Promise<StoredEvents>,
): Promise<StoredCounts> {
  // Before the transaction, which locks the lanes: keys may have to be fetched.
  const terms = (await searchTerms?.createTerms(sorted.events.map(({ event }) => event))) ?? [];
  return db.transaction().execute(async (trx) => {
    if (!(await moveCheckpoint(trx, lease, ttlMs, checkpoint, ended)))
      throw new LeaseLost(lease.shardId);
    const { stored, repeats, quarantined, counted } = await store(trx);
    const added = terms.filter(({ event_id }) => stored.has(event_id));
    if (added.length > 0) await insertSearchTerms(trx, added);
    // A record that was forged twice repeats nothing.
    const ours = new Set(counted.map(({ digest }) => digest.toString('latin1')));
    const again = [
      ...repeats,
      ...sorted.repeats.filter(({ digest }) => ours.has(digest.toString('latin1'))),
    ];
    if (counted.length > 0)
      await addReceived(
        trx,
        counted.map(({ event }) => event),
        again.map(({ event }) => event),
      );
    const kept = [...sorted.quarantined, ...quarantined];
    if (kept.length > 0) {
      await saveQuarantined(
        { trx, subjectKeys },
        lease,
        kept.map(({ record: { sequenceNumber, data }, ...rest }) => ({
          ...rest,
          sequenceNumber,
          data: data.subarray(0, MAX_STORED_BYTES),
          size: data.byteLength,
        })),
      );
    }
    return { stored: stored.size, duplicates: again.length, quarantined: kept.length };
  });
}

/**
 * Stores a batch of a shard: rows, received numbers and the checkpoint in one transaction. A record
 * that PostgreSQL refuses is found by halving and quarantined, so it never blocks the rest.
 * @throws LeaseLost when the shard has another holder; the database's error when it is out of reach
 */
export async function storeBatch(
  db: Kysely<Tables>,
  lease: ShardLease,
  ttlMs: number,
  records: readonly ReceivedRecord[],
  ended: boolean,
  options: StoreOptions = {},
): Promise<StoredCounts> {
  const checkpoint = records.at(-1)?.sequenceNumber ?? null;
  const { attest } = options;
  const sorted = await sortRecords(records);
  try {
    return await storeSorted(db, lease, ttlMs, checkpoint, ended, sorted, options, (trx) =>
      storeEvents(trx, sorted.events, attest),
    );
  } catch (error) {
    if (!isRefusedContent(error) || records.length === 0) throw error;
    if (records.length === 1)
      return storeSorted(
        db,
        lease,
        ttlMs,
        checkpoint,
        ended,
        sorted,
        { attest, subjectKeys: options.subjectKeys },
        (trx) => refuseEvents(trx, sorted.events, error.message, attest),
      );
    const half = Math.ceil(records.length / 2);
    const first = await storeBatch(db, lease, ttlMs, records.slice(0, half), false, options);
    const second = await storeBatch(db, lease, ttlMs, records.slice(half), ended, options);
    return {
      stored: first.stored + second.stored,
      duplicates: first.duplicates + second.duplicates,
      quarantined: first.quarantined + second.quarantined,
    };
  }
}
