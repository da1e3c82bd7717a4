import { ExportCapacity, type RunningExport } from '@muniment/server';
import { TooManyExports } from '../errors.ts';

/** A place among the exports that run at once. */
export interface ExportSlot {
  /** From now on the place may be taken from a reader that is slow. */
  run(running: RunningExport): void;
  /** Also if called twice. */
  release(): void;
}

export interface ExportSlots {
  /** @throws TooManyExports, ExportCapacity */
  acquire(owner: string): ExportSlot;
}

const RETRY_AFTER_S = 5;

/**
 * Creates the places of a replica's exports. One owner gets only some of them, and while all are
 * taken a newcomer gets that of a slow reader.
 */
export function createExportSlots({
  max,
  maxPerOwner,
}: {
  max: number;
  maxPerOwner: number;
}): ExportSlots {
  const slots = new Map<ExportSlot, { owner: string; running?: RunningExport }>();

  function makeRoom(): void {
    for (const [slot, { running }] of slots) {
      if (!running?.isSlow()) continue;
      running.cut();
      slot.release();
      return;
    }
    throw Object.assign(new ExportCapacity(), { retryAfter: RETRY_AFTER_S });
  }

  return {
    acquire(owner) {
      const owned = [...slots.values()].filter((one) => one.owner === owner);
      if (owned.length >= maxPerOwner)
        throw Object.assign(new TooManyExports(), { retryAfter: RETRY_AFTER_S });
      if (slots.size >= max) makeRoom();
      const slot: ExportSlot = {
        run(running) {
          if (slots.has(slot)) slots.set(slot, { owner, running });
        },
        release: () => void slots.delete(slot),
      };
      slots.set(slot, { owner });
      return slot;
    },
  };
}
