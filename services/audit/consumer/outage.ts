import type { LoopLogger } from '@muniment/audit-events';

/** Logs an outage once at its start and once at its end, however many loops notice it. */
export interface Outage {
  notice(error: unknown): void;
  end(): void;
  since(): Date | undefined;
}

/** What may keep one consumer from its work. */
export interface ConsumerOutages {
  stream: Outage;
  database: Outage;
  /** A store that fails though the database answers. Only a stored batch ends it. */
  store: Outage;
  /** Leases that cannot be renewed. Apart from `store`: an idle stream stores no batch. */
  leases: Outage;
}

export const watchOutages = (log: LoopLogger): ConsumerOutages => ({
  stream: watchOutage(log, 'kinesis'),
  database: watchOutage(log, 'postgres'),
  store: watchOutage(log, 'store'),
  leases: watchOutage(log, 'leases'),
});

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
