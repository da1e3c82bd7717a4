import type { Kysely } from 'kysely';
import type { HeldLease } from '@muniment/database';
import type { Source } from '../event.ts';
import type { LoopLogger } from './loop-logger.ts';
import { claimRows, claimUnstored, countUnstored, deleteStored, hasUnclaimed } from '../outbox.ts';
import type { SendRecords } from './record-sender.ts';
import type { ResendSchedule } from './resend-schedule.ts';
import { createUnstoredRows } from './unstored-rows.ts';

const CLAIM_ROWS = 500;
const DELETE_EVERY_MS = 250;
/** While no row has a number, none can be stored or overdue. This often it is asked all the same. */
const DELETE_EVERY_MS_WITHOUT_ROWS = 10_000;
/**
 * Above this many unstored rows of a lane none of it are claimed: an outage must not fill the stream
 * twice.
 */
const MAX_UNSTORED = 5_000;

export interface RelayRoundsOptions<DB> {
  db: Kysely<DB>;
  schema: string;
  source: Source;
  log: LoopLogger;
  /** Pause after a round that found no more rows. */
  idleMs: number;
  /** Called after rows got their numbers. */
  onClaimed(): void;
  schedule: ResendSchedule;
  send: SendRecords;
  /** Most unstored rows of a lane. */
  maxUnstored?: number | undefined;
}

/** What the relay's leased loop does with the outbox. */
export interface RelayRounds {
  onAcquired(held: HeldLease): Promise<void>;
  work(held: HeldLease): Promise<number>;
}

/** Moves rows in rounds: numbers are committed before sending, and stored rows are deleted. */
export function createRelayRounds<DB>(options: RelayRoundsOptions<DB>): RelayRounds {
  const { db, schema, source, log, schedule, send } = options;
  const unstored = createUnstoredRows(options.maxUnstored ?? MAX_UNSTORED);
  let deletedAt = -Infinity;

  async function onAcquired(held: HeldLease): Promise<void> {
    log.info({ source, epoch: held.lease.epoch }, 'relay lease taken');
    unstored.set(await countUnstored(db, schema));
    // The last holder may have died between committing numbers and sending them.
    await send(
      held,
      await claimUnstored(db, held.lease, { source, afterMs: 0, limit: 10_000 }),
      'resent',
    );
  }

  async function resendOverdue(held: HeldLease): Promise<void> {
    const afterMs = await schedule.dueAfterMs(unstored.total());
    if (afterMs === undefined) return;
    const overdue = await claimUnstored(db, held.lease, { source, afterMs, limit: 5_000 });
    if (overdue && overdue.length > 0)
      log.warn({ source, rows: overdue.length }, 'sent rows are not stored; sending them again');
    await send(held, overdue, 'resent');
  }

  async function work(held: HeldLease): Promise<number> {
    const fullLanes = unstored.fullLanes();
    const claimed = (await hasUnclaimed(db, schema, fullLanes))
      ? await claimRows(db, held.lease, { limit: CLAIM_ROWS, fullLanes })
      : [];
    unstored.add(claimed ?? []);
    if (claimed && claimed.length > 0) options.onClaimed();
    await send(held, claimed, 'sent');
    const now = performance.now();
    if (now - deletedAt > (unstored.total() > 0 ? DELETE_EVERY_MS : DELETE_EVERY_MS_WITHOUT_ROWS)) {
      deletedAt = now;
      unstored.subtract(await deleteStored(db, schema, source));
      await resendOverdue(held);
    }
    return claimed?.length === CLAIM_ROWS ? 0 : options.idleMs;
  }

  return { onAcquired, work };
}
