/** A bound on the exports that run at once. */
export interface ExportSlots {
  /** @returns what releases the slot, also if called twice; undefined when none is free */
  acquire(): (() => void) | undefined;
}

export function createExportSlots(limit: number): ExportSlots {
  let used = 0;
  return {
    acquire() {
      if (used >= limit) return undefined;
      used += 1;
      let isReleased = false;
      return () => {
        if (isReleased) return;
        isReleased = true;
        used -= 1;
      };
    },
  };
}
