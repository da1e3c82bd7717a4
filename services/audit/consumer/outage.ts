import type { LoopLogger } from '@muniment/audit-events';

/** Says once that something is out of reach and once that it is back, however many loops notice. */
export interface Outage {
  noticed(error: unknown): void;
  over(): void;
  since(): Date | undefined;
}

export function watchOutage(log: LoopLogger, dependency: string): Outage {
  let since: Date | undefined;
  return {
    noticed(error) {
      if (!since)
        log.warn({ dependency, err: error }, 'consumer cannot go on; it tries again by itself');
      since ??= new Date();
    },
    over() {
      if (since) log.info({ dependency, since }, 'consumer goes on');
      since = undefined;
    },
    since: () => since,
  };
}
