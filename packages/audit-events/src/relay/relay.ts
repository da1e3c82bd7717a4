import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { Kysely } from 'kysely';
import { createLeasedLoop } from '@muniment/database';
import type { Source } from '../event.ts';
import type { LoopLogger } from './loop-logger.ts';
import { createSender, type SendTotals } from './record-sender.ts';
import { createRelayRounds } from './relay-rounds.ts';
import { createResendSchedule } from './resend-schedule.ts';
import { createStreamWriter } from './stream-writer.ts';

export interface RelayOptions<DB> {
  db: Kysely<DB>;
  /** Schema of the outbox: `identity`, `files` or `audit`. */
  schema: string;
  source: Source;
  /** This replica's name. */
  replica: string;
  kinesis: KinesisClient;
  stream: string;
  log: LoopLogger;
  /** A sent row that the audit service has not stored after this long is sent again. */
  resendAfterMs?: number;
  leaseTtlMs?: number;
  /** Pause between two rounds without a wake. */
  idleMs?: number;
  /** Whether no events are recorded. Then rounds only renew the lease and look for strays. */
  isResting?: () => boolean;
  /** Called when a round at rest finds events, of which nobody was told. */
  onUnannounced?: () => void;
  /** Most rows of a lane that have a number and are not stored. */
  maxUnstored?: number;
}

export interface RelayStatus {
  leading: boolean;
  /** Since when the stream has refused everything; undefined while it takes records. */
  streamDownSince: Date | undefined;
  sent: number;
  resent: number;
}

export interface Relay {
  start(): void;
  /** Ends the loop after the batch in progress and frees the lease. */
  stop(): Promise<void>;
  /** Call after committing a row: the next round starts early. */
  wake(): void;
  status(): RelayStatus;
}

/** From a wake to its round. Under load 20 rounds a second then serve hundreds of events. */
const GATHER_MS = 50;
const IDLE_MS = 100;
const RETRY_MS = 500;

/**
 * The relay of one source: the replica with the lease moves rows from the outbox to the stream. It
 * may die at any instant: numbers are committed before sending, and rows are deleted once stored.
 */
export function createRelay<DB>(options: RelayOptions<DB>): Relay {
  const { db, schema, source, kinesis, stream, log } = options;
  const leaseTtlMs = options.leaseTtlMs ?? 3_000;
  const schedule = createResendSchedule({ db, source, resendAfterMs: options.resendAfterMs });
  const writer = createStreamWriter({
    kinesis,
    stream,
    source,
    log,
    // In the outage the stream may have lost records that it had accepted.
    onRecovered: () => schedule.resendEverything(),
  });
  const totals: SendTotals = { sent: 0, resent: 0 };
  const rounds = createRelayRounds({
    db,
    schema,
    source,
    log,
    idleMs: options.idleMs ?? IDLE_MS,
    onClaimed() {
      if (options.isResting?.()) options.onUnannounced?.();
    },
    maxUnstored: options.maxUnstored,
    schedule,
    send: createSender({ writer, totals, leaseTtlMs, signal: (): AbortSignal => loop.signal }),
  });
  const loop = createLeasedLoop({
    db,
    schema,
    name: 'relay',
    replica: options.replica,
    ttlMs: leaseTtlMs,
    gatherMs: GATHER_MS,
    retryMs: RETRY_MS,
    isResting: options.isResting,
    onAcquired: rounds.onAcquired,
    work: rounds.work,
    onFailing: (error) => log.warn({ source, err: error }, 'relay cannot reach its database'),
  });
  return {
    start: () => loop.start(),
    stop: () => loop.stop(),
    wake: () => loop.wake(),
    status: () => ({
      leading: loop.status().leading,
      streamDownSince: writer.downSince(),
      ...totals,
    }),
  };
}
