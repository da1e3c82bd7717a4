import type { LoopLogger } from '@muniment/audit-events';

/** Logs an outage once at its start and once at its end, however many loops notice it. */
export interface Outage {
  notice(error: unknown): void;
  end(): void;
  since(): Date | undefined;
}

export function watchOutage(log: LoopLogger, dependency: string): Outage {
  let since: Date | undefined;
  return {
    notice(error) {
      if (!since)
        log.warn({ dependency, err: error }, 'consumer cannot go on; it tries again by itself');
      since ??= new Date();
    },
    end() {
      if (since) log.info({ dependency, since }, 'consumer goes on');
      since = undefined;
    },
    since: () => since,
  };
}
