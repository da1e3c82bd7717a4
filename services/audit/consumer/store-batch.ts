import type { Kysely, Transaction } from 'kysely';
import type { SubjectKeys } from '@muniment/audit-events';
import { LeaseLost } from '@muniment/database';
import { addReceived } from '../event-store/lane-queries.ts';
import type { QuarantinedRecord, ReceivedRecord } from '../event-store/received-event.ts';
import { isRefusedContent } from '../event-store/refused-content.ts';
import {
  refuseEvents,
  storeEvents,
  type Attest,
  type StoredEvents,
} from '../event-store/store-events.ts';
import { saveQuarantined } from '../quarantine/encrypt-records.ts';
import { MAX_STORED_BYTES } from '../quarantine/quarantine-queries.ts';
import { insertSearchTerms } from '../search/search-term-queries.ts';
import type { SearchTerms } from '../search/search-terms.ts';
import type { Tables } from '../tables.ts';
import { moveCheckpoint, type ShardLease } from './shard-leases.ts';
import { sortRecords, type SortedRecords } from './sort-records.ts';

export interface StoredCounts {
  stored: number;
  duplicates: number;
  quarantined: number;
}

export interface BatchStore {
  db: Kysely<Tables>;
  /** A stored batch renews the shard's lease for this long. */
  ttlMs: number;
  searchTerms?: Pick<SearchTerms, 'createTerms'> | undefined;
  /** Encrypts quarantined bytes. Only tests omit it; the bytes are then stored in the clear. */
  subjectKeys?: SubjectKeys | undefined;
  /** Asks the outboxes. Only tests omit it; each decoded event is then believed. */
  attest?: Attest | undefined;
}

/** Records of a shard, in its order. */
export interface Batch {
  records: readonly ReceivedRecord[];
  /** Whether the shard ends with them. */
  isEnded?: boolean;
}

interface SortedBatch extends Batch {
  sorted: SortedRecords;
  store(trx: Transaction<Tables>): Promise<StoredEvents>;
}

async function storeSorted(
  { db, ttlMs, searchTerms, subjectKeys }: BatchStore,
  lease: ShardLease,
  { records, isEnded = false, sorted, store }: SortedBatch,
): Promise<StoredCounts> {
  const checkpoint = records.at(-1)?.sequenceNumber ?? null;
  // Before the transaction, which locks the lanes: keys may have to be fetched.
  const terms = (await searchTerms?.createTerms(sorted.events.map(({ event }) => event))) ?? [];
  return db.transaction().execute(async (trx) => {
    if (!(await moveCheckpoint(trx, lease, { ttlMs, checkpoint, isEnded })))
      throw new LeaseLost(lease.shardId);
    const { stored, repeats, quarantined, counted } = await store(trx);
    const added = terms.filter(({ event_id }) => stored.has(event_id));
    if (added.length > 0) await insertSearchTerms(trx, added);
    // A record that was forged twice repeats nothing.
    const ours = new Set(counted.map(({ digest }) => digest.toString('latin1')));
    const duplicates = [
      ...repeats,
      ...sorted.repeats.filter(({ digest }) => ours.has(digest.toString('latin1'))),
    ];
    if (counted.length > 0)
      await addReceived(
        trx,
        counted.map(({ event }) => event),
        duplicates.map(({ event }) => event),
      );
    const refused = [...sorted.quarantined, ...quarantined];
    if (refused.length > 0)
      await saveQuarantined({ trx, subjectKeys }, lease, refused.map(truncateRecord));
    return { stored: stored.size, duplicates: duplicates.length, quarantined: refused.length };
  });
}

function truncateRecord({ record: { sequenceNumber, data }, ...rest }: QuarantinedRecord) {
  return {
    ...rest,
    sequenceNumber,
    data: data.subarray(0, MAX_STORED_BYTES),
    size: data.byteLength,
  };
}

/**
 * Stores a batch of a shard: rows, received numbers and the checkpoint in one transaction. A record
 * that PostgreSQL refuses is found by halving and quarantined, so it never blocks the rest.
 * @throws LeaseLost when the shard has another holder; the database's error when it is out of reach
 */
export async function storeBatch(
  options: BatchStore,
  lease: ShardLease,
  batch: Batch,
): Promise<StoredCounts> {
  const { attest } = options;
  const { records } = batch;
  const sorted = await sortRecords(records);
  try {
    return await storeSorted(options, lease, {
      ...batch,
      sorted,
      store: (trx) => storeEvents(trx, sorted.events, attest),
    });
  } catch (error) {
    if (!isRefusedContent(error) || records.length === 0) throw error;
    if (records.length === 1) {
      const { message: detail } = error;
      // Without search terms: a refused event is not in the log.
      return storeSorted({ ...options, searchTerms: undefined }, lease, {
        ...batch,
        sorted,
        store: (trx) => refuseEvents(trx, sorted.events, { detail, attest }),
      });
    }
    const half = Math.ceil(records.length / 2);
    const first = await storeBatch(options, lease, { records: records.slice(0, half) });
    const second = await storeBatch(options, lease, { ...batch, records: records.slice(half) });
    return {
      stored: first.stored + second.stored,
      duplicates: first.duplicates + second.duplicates,
      quarantined: first.quarantined + second.quarantined,
    };
  }
}
