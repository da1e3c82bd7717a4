import type { Kysely } from 'kysely';
import type { LoopLogger } from '@muniment/audit-events';
import { acquireLease } from '@muniment/database';
import { repeat, type BackgroundLoop, type DependencyCheck } from '@muniment/server';
import type { Tables } from '../tables.ts';
import { ALARM_AFTER_S, findAlarms, type Alarm } from './alarms.ts';
import { markOldHoles, saveHoles, type SavedHole } from './hole-queries.ts';
import { readTrailState } from './read-trail-state.ts';
import type { TrailState } from './trail-state.ts';

const PAUSE_MS = 5_000;
const LEASE_MS = 15_000;

export interface TrailWatchOptions {
  db: Kysely<Tables>;
  stream: string;
  replica: string;
  log: LoopLogger;
  pauseMs?: number;
  /** Age at which a hole is logged. */
  alarmAfterMs?: number;
}

export interface WatchedTrail {
  state: TrailState;
  alarms: Alarm[];
}

export interface TrailWatch extends BackgroundLoop {
  /** One round, as the loop does it. */
  checkOnce(): Promise<void>;
  /** The result of the last round; undefined before the first, and after one that failed. */
  latest(): WatchedTrail | undefined;
  /** Down while there are alarms. Not critical: taking the replica out would help nothing. */
  check: DependencyCheck;
}

/**
 * Watches how complete the trail is. Every replica reads it, for its metrics and readiness. The one
 * with the lease saves holes, and logs each when it is a minute old and when it is closed.
 */
export function createTrailWatch(options: TrailWatchOptions): TrailWatch {
  const { db, stream, log, pauseMs = PAUSE_MS } = options;
  let latest: WatchedTrail | undefined;

  async function checkOnce(): Promise<void> {
    try {
      await logHoles(options);
      // On one connection: each of ten would have plans of its own, and none would ever end.
      const state = await db.connection().execute((one) => readTrailState(one, stream));
      latest = { state, alarms: findAlarms(state) };
    } catch (error) {
      latest = undefined;
      throw error;
    }
  }

  let isFailing = false;
  async function work(): Promise<void> {
    await checkOnce();
    isFailing = false;
  }
  const loop = repeat('completeness', pauseMs, work, (error) => {
    if (!isFailing)
      log.warn({ err: error }, 'the completeness of the trail cannot be read; retrying');
    isFailing = true;
  });
  return {
    ...loop,
    checkOnce,
    latest: () => latest,
    check: {
      name: 'trail',
      critical: false,
      async check() {
        const [alarm] = latest?.alarms ?? [];
        if (alarm) throw new Error(alarm.detail);
      },
    },
  };
}

/** Only the replica with the lease saves and logs holes. */
async function logHoles({
  db,
  replica,
  log,
  alarmAfterMs = ALARM_AFTER_S * 1_000,
}: TrailWatchOptions): Promise<void> {
  if (
    !(await acquireLease(db, {
      schema: 'audit',
      name: 'completeness',
      holder: replica,
      ttlMs: LEASE_MS,
    }))
  )
    return;
  for (const hole of await saveHoles(db))
    log.info(logFields(hole), 'a hole in the trail is closed');
  for (const hole of await markOldHoles(db, alarmAfterMs))
    log.warn(logFields(hole), 'a hole in the trail: these numbers were given and are not stored');
}

const logFields = ({ source, lane, first_seen, numbers }: SavedHole): object => ({
  source,
  lane,
  numbers,
  first_seen,
});
