import type { LoopLogger } from '@muniment/audit-events';

export interface HistoryAlarmState {
  reason: string;
  since: Date;
}

/** Raised while what is stored contradicts what was signed. */
export interface HistoryAlarm {
  raise(reason: string): void;
  clear(): void;
  state(): HistoryAlarmState | undefined;
}

export type AlarmLogger = LoopLogger & { error(details: object, message: string): void };

export function createHistoryAlarm(log: AlarmLogger): HistoryAlarm {
  let state: HistoryAlarmState | undefined;
  return {
    raise(reason) {
      if (state?.reason !== reason)
        log.error(
          { alarm: 'history_altered', reason },
          'the audit log was altered: nothing is sealed or signed until that is settled (docs/operations/observe.md)',
        );
      state = { reason, since: state?.since ?? new Date() };
    },
    clear: () => {
      state = undefined;
    },
    state: () => state,
  };
}
