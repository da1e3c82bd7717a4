import { setTimeout as sleep } from 'node:timers/promises';
import type { Rows } from '@muniment/testing';
import type { FaultRecord, History } from './history.ts';
import type { Area } from './clients/probe.ts';
import { findOldestUnsealed } from './trail.ts';

const POLL_MS = 100;

/** The parts that a fault silences, by the end of its kind's name. */
const SILENCED_BY: [RegExp, Area[]][] = [
  [/^rolling_restart$/, ['user', 'file', 'audit']],
  [/_user(_committing)?$/, ['user']],
  [/_file(_committing)?$/, ['file']],
  [/_(audit|audit_committing|sealer|shard_holder)$/, ['audit']],
  [/_s3$/, ['s3']],
  [/_(kinesis|stream|shard|shards)$/, []],
  [/_(postgres|postgres_committing|gateway|relay)$/, ['user', 'file', 'audit']],
];

/** Measures when all silenced parts answered again. Uploads and downloads show S3. */
export function measureAnswers({
  operations,
  faults,
  answers,
}: Pick<History, 'operations' | 'faults' | 'answers'>): void {
  const ofTheBytes = operations
    .filter(({ kind, result }) => result === 'ok' && (kind === 'upload' || kind === 'download'))
    .map(({ invokedAt, completedAt }) => ({
      area: 's3' as const,
      sentAt: invokedAt,
      answeredAt: completedAt,
    }));
  const all = [...answers, ...ofTheBytes];
  for (const fault of faults) {
    const areas = SILENCED_BY.find(([kind]) => kind.test(fault.kind))?.[1] ?? [];
    const firsts = areas.map((area) =>
      all
        .filter((answer) => answer.area === area && answer.sentAt >= fault.healedAt)
        .reduce((earliest, { answeredAt }) => Math.min(earliest, answeredAt), Infinity),
    );
    const last = Math.max(...firsts);
    fault.answeredMs = Number.isFinite(last) ? last - fault.healedAt : null;
  }
}

/** Watches how long each healed fault delays events. Overlapping faults share that time. */
export function watchTrail(
  rows: Rows,
  history: History,
): { healed(fault: FaultRecord): void; stop(): Promise<void> } {
  const behind = new Set<FaultRecord>();
  let stopped = false;
  async function watch(): Promise<void> {
    while (!stopped || behind.size > 0) {
      await sleep(POLL_MS);
      if (behind.size === 0) continue;
      const oldest = await findOldestUnsealed(rows).catch(() => -Infinity);
      const now = history.now();
      for (const fault of behind) {
        if (oldest !== null && oldest <= history.beganAt + fault.healedAt) continue;
        fault.caughtUpMs = now - fault.healedAt;
        behind.delete(fault);
      }
    }
  }
  const watching = watch();
  return {
    healed: (fault) => {
      behind.add(fault);
    },
    // The check reports what never catches up, so the wait is short.
    async stop() {
      stopped = true;
      await Promise.race([watching, sleep(5_000)]);
      behind.clear();
      await watching;
    },
  };
}
