import type { LoopLogger } from '@muniment/audit-events';
import { HistoryAltered } from '../errors.ts';

export interface HistoryAlarmState {
  reason: string;
  since: Date;
}

/** Raised while what is stored contradicts what was signed. */
export interface HistoryAlarm {
  raise(reason: string): void;
  clear(): void;
  /** Called before each commit: the bucket is compared meanwhile. @throws HistoryAltered while raised */
  requireNone(): void;
  /** Runs a round; an altered history raises the alarm. @returns the pause in ms */
  guard(round: () => Promise<number>, alarmPauseMs: number): Promise<number>;
  state(): HistoryAlarmState | undefined;
}

export type AlarmLogger = LoopLogger & { error(details: object, message: string): void };

export function createHistoryAlarm(log: AlarmLogger): HistoryAlarm {
  let state: HistoryAlarmState | undefined;
  function raise(reason: string): void {
    if (state?.reason !== reason)
      log.error(
        { alarm: 'history_altered', reason },
        'the audit log was altered: ' +
          'nothing is sealed or signed until that is settled (docs/operations/observe.md)',
      );
    state = { reason, since: state?.since ?? new Date() };
  }

  return {
    raise,
    clear: () => {
      state = undefined;
    },
    requireNone() {
      if (state) throw new HistoryAltered(state.reason);
    },
    async guard(round, alarmPauseMs) {
      try {
        return await round();
      } catch (error) {
        if (!(error instanceof HistoryAltered)) throw error;
        raise(error.message);
        return alarmPauseMs;
      }
    },
    state: () => state,
  };
}
