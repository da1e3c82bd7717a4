import type { LaneRows } from '../outbox.ts';

/** Rows with a number that the audit service has not stored, by lane, as far as known. */
export interface UnstoredRows {
  set(lanes: readonly LaneRows[]): void;
  add(claimed: readonly { lane: number }[]): void;
  subtract(stored: readonly LaneRows[]): void;
  total(): number;
  /** Lanes with so many that no more are numbered. One that stands still must not stop the others. */
  fullLanes(): number[];
}

export function createUnstoredRows(maxPerLane: number): UnstoredRows {
  const counts = new Map<number, number>();
  const change = (lane: number, by: number): void => {
    counts.set(lane, Math.max(0, (counts.get(lane) ?? 0) + by));
  };
  return {
    set(lanes) {
      counts.clear();
      for (const { lane, rows } of lanes) counts.set(lane, rows);
    },
    add(claimed) {
      for (const { lane } of claimed) change(lane, 1);
    },
    subtract(stored) {
      for (const { lane, rows } of stored) change(lane, -rows);
    },
    total: () => [...counts.values()].reduce((sum, rows) => sum + rows, 0),
    fullLanes: () => [...counts].filter(([, rows]) => rows >= maxPerLane).map(([lane]) => lane),
  };
}
