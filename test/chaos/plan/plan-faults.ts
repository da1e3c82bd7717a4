import type { Fault } from '@muniment/cluster';
import { createRandom, type Random } from './random.ts';

export type FaultKind =
  | 'kill_user'
  | 'kill_file'
  | 'kill_audit'
  | 'kill_relay'
  | 'kill_shard_holder'
  | 'kill_sealer'
  | 'kill_user_committing'
  | 'kill_file_committing'
  | 'kill_audit_committing'
  | 'pause_user'
  | 'pause_file'
  | 'pause_relay'
  | 'pause_shard_holder'
  | 'pause_sealer'
  | 'kill_kinesis'
  | 'pause_kinesis'
  | 'wipe_stream'
  | 'kill_s3'
  | 'kill_postgres'
  | 'kill_postgres_committing'
  | 'kill_gateway'
  | 'net_postgres'
  | 'net_kinesis'
  | 'net_s3'
  | 'throttle_kinesis'
  | 'split_shard'
  | 'merge_shards'
  | 'rolling_restart';

export interface PlannedFault {
  kind: FaultKind;
  /** Milliseconds after the start. */
  at: number;
  /** 0 when it heals by itself: the supervisor restarts a killed process. */
  durationMs: number;
  /** Chooses the replica, source or shard, from 0 up to 1. */
  choice: number;
  /** What the proxy does. */
  mode?: Fault;
}

interface Terms {
  durationMs: [number, number];
  /** Two faults of one channel never overlap. */
  channel?: string;
  modes?: Fault[];
}

// A holder is paused longer than its lease (relay and sealer 3 s, shard 5 s): another takes over.
export const FAULTS: Record<FaultKind, Terms> = {
  kill_user: { durationMs: [0, 0] },
  kill_file: { durationMs: [0, 0] },
  kill_audit: { durationMs: [0, 0] },
  kill_relay: { durationMs: [0, 0] },
  kill_shard_holder: { durationMs: [0, 0] },
  kill_sealer: { durationMs: [0, 0] },
  // Killed during a commit, after the change and before the answer.
  kill_user_committing: { durationMs: [0, 0] },
  kill_file_committing: { durationMs: [0, 0] },
  kill_audit_committing: { durationMs: [0, 0] },
  pause_user: { durationMs: [500, 3_000] },
  pause_file: { durationMs: [500, 3_000] },
  pause_relay: { durationMs: [3_500, 6_000] },
  pause_shard_holder: { durationMs: [5_500, 8_000] },
  pause_sealer: { durationMs: [3_500, 6_000] },
  kill_kinesis: { durationMs: [0, 0], channel: 'kinesis' },
  pause_kinesis: { durationMs: [1_000, 4_000], channel: 'kinesis' },
  wipe_stream: { durationMs: [1_000, 1_500], channel: 'kinesis' },
  kill_s3: { durationMs: [0, 0] },
  kill_postgres: { durationMs: [0, 0], channel: 'postgres' },
  kill_postgres_committing: { durationMs: [0, 0], channel: 'postgres' },
  kill_gateway: { durationMs: [0, 0] },
  net_postgres: {
    durationMs: [300, 1_500],
    channel: 'net_postgres',
    modes: ['refuse', 'cut', 'blackhole', { delayMs: 30 }],
  },
  net_kinesis: {
    durationMs: [1_000, 4_000],
    channel: 'net_kinesis',
    modes: ['refuse', 'cut', 'blackhole', { delayMs: 100 }],
  },
  throttle_kinesis: {
    durationMs: [1_500, 4_000],
    channel: 'net_kinesis',
    modes: [
      { throttle: 'kinesis', probability: 0.7 },
      { throttle: 'kinesis', partial: 0.5 },
    ],
  },
  net_s3: {
    durationMs: [500, 3_000],
    channel: 'net_s3',
    modes: ['refuse', 'cut', 'blackhole', { delayMs: 100 }],
  },
  // A channel of its own: the local Kinesis server killed during a reshard stays UPDATING.
  split_shard: { durationMs: [0, 0], channel: 'kinesis' },
  merge_shards: { durationMs: [0, 0], channel: 'kinesis' },
  // It lasts as long as six replicas need, some 20 seconds, or until the clients stop.
  rolling_restart: { durationMs: [0, 0], channel: 'rolling_restart' },
};

/** Pause between two faults of one channel. */
const CHANNEL_PAUSE_MS = 3_000;
/** Before the first fault. */
const FIRST_FAULT_AFTER_MS = 2_000;

/**
 * Plans faults that are `everyMs` apart on average and may overlap. Equal arguments give equal
 * plans. Each kind comes once before any comes again.
 */
export function planFaults(
  seed: number,
  durationMs: number,
  everyMs: number,
  kinds: readonly FaultKind[] = Object.keys(FAULTS) as FaultKind[],
): PlannedFault[] {
  const random = createRandom(`${seed}/nemesis`);
  const plan: PlannedFault[] = [];
  const freeAt = new Map<string, number>();
  let deck: FaultKind[] = [];
  for (let at = FIRST_FAULT_AFTER_MS; ; at += random.integer(everyMs / 2, everyMs * 1.5)) {
    if (deck.length === 0) deck = random.shuffle(kinds);
    const kind = deck.pop() as FaultKind;
    const fault = planFault(random, kind, at, freeAt);
    if (fault.at + fault.durationMs > durationMs) break;
    plan.push(fault);
  }
  return plan.sort((one, other) => one.at - other.at);
}

function planFault(
  random: Random,
  kind: FaultKind,
  at: number,
  freeAt: Map<string, number>,
): PlannedFault {
  const {
    durationMs: [least, most],
    channel,
    modes,
  } = FAULTS[kind];
  const durationMs = random.integer(least, most);
  const begins = Math.max(at, (channel !== undefined && freeAt.get(channel)) || 0);
  if (channel !== undefined) freeAt.set(channel, begins + durationMs + CHANNEL_PAUSE_MS);
  return {
    kind,
    at: begins,
    durationMs,
    choice: random.next(),
    ...(modes && { mode: random.pick(modes) }),
  };
}
