import { Gauge, type Registry } from 'prom-client';
import type { Kysely } from 'kysely';
import type { LoopLogger } from '@muniment/audit-events';
import { acquireLease } from '@muniment/database';
import { repeat, type BackgroundLoop, type DependencyCheck } from '@muniment/server';
import { saveHoles, markOldHoles, type SavedHole } from './completeness-queries.ts';
import type { Tables } from '../tables.ts';
import { ALARM_AFTER_S, findAlarms, type Alarm } from './alarms.ts';
import { readTrailState, type TrailState } from './trail-state.ts';

const LOOK_MS = 5_000;
const LEASE_MS = 15_000;

export interface TrailWatchOptions {
  db: Kysely<Tables>;
  stream: string;
  replica: string;
  log: LoopLogger;
  lookMs?: number;
  /** Age at which a hole is said in the log. */
  alarmAfterMs?: number;
}

export interface TrailWatch extends BackgroundLoop {
  /** One round, as the loop does it. */
  checkOnce(): Promise<void>;
  /** The state of the last round; undefined before the first, and while the database is away. */
  latest(): { state: TrailState; alarms: Alarm[] } | undefined;
  /** For readiness: down while there are alarms. Nothing a replica could do better by being taken out, so it is only said. */
  check: DependencyCheck;
}

const about = ({ source, lane, first_seen: firstSeen, numbers }: SavedHole): object => ({
  source,
  lane,
  numbers,
  first_seen: firstSeen,
});

/**
 * Watches how complete the trail is. Every replica looks, for its metrics and its readiness; the one with the lease also notes since when each
 * number is missed, and says in the log when a hole is older than a minute, once, and once when it is closed.
 */
export function createTrailWatch({
  db,
  stream,
  replica,
  log,
  lookMs = LOOK_MS,
  alarmAfterMs = ALARM_AFTER_S * 1_000,
}: TrailWatchOptions): TrailWatch {
  let last: { state: TrailState; alarms: Alarm[] } | undefined;

  async function look(): Promise<void> {
    try {
      if (await acquireLease(db, 'audit', 'completeness', replica, LEASE_MS)) {
        const closed = await saveHoles(db);
        for (const hole of closed) log.info(about(hole), 'a hole in the trail is closed');
        for (const hole of await markOldHoles(db, alarmAfterMs))
          log.warn(about(hole), 'a hole in the trail: these numbers were given and are not stored');
      }
      const state = await readTrailState(db, stream);
      last = { state, alarms: findAlarms(state) };
    } catch (error) {
      last = undefined;
      throw error;
    }
  }

  let failing = false;
  const loop = repeat(
    'completeness',
    lookMs,
    async () => {
      await look();
      failing = false;
    },
    (error) => {
      if (!failing)
        log.warn(
          { err: error },
          'the completeness of the trail cannot be looked at; it is tried again',
        );
      failing = true;
    },
  );
  return {
    ...loop,
    checkOnce: look,
    latest: () => last,
    check: {
      name: 'trail',
      critical: false,
      async check() {
        const [alarm] = last?.alarms ?? [];
        if (alarm) throw new Error(alarm.detail);
      },
    },
  };
}

/** Puts the trail's state into the replica's metrics. All replicas report the same trail. NaN while it is not known: 0 would say that all is well. */
export function measureTrail({ latest }: Pick<TrailWatch, 'latest'>, registry: Registry): void {
  new Gauge({
    name: 'muniment_trail_complete',
    help: '1 while nothing that was acknowledged over a minute ago is missing in the trail.',
    registers: [registry],
    collect() {
      const known = latest();
      this.set(known ? Number(!known.alarms.some(({ incomplete }) => incomplete)) : NaN);
    },
  });
  new Gauge({
    name: 'muniment_trail_alarms',
    help: 'What is wrong with the trail, by kind.',
    labelNames: ['code'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [code, alarms] of Map.groupBy(latest()?.alarms ?? [], (alarm) => alarm.code))
        this.set({ code }, alarms.length);
    },
  });
  const bySource = (
    name: string,
    help: string,
    value: (source: TrailState['sources'][number]) => number,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames: ['source'],
      registers: [registry],
      collect() {
        this.reset();
        for (const source of latest()?.state.sources ?? [])
          this.set({ source: source.source }, value(source));
      },
    });
  };
  bySource(
    'muniment_trail_hole_seconds',
    'Age of the oldest number that was given and is not stored.',
    ({ lanes }) =>
      Math.max(0, ...lanes.flatMap(({ holes }) => holes.map(({ age_seconds: age }) => age))),
  );
  bySource(
    'muniment_trail_missing',
    'Numbers that were given and are not stored, those on their way included.',
    ({ missing }) => missing,
  );
  new Gauge({
    name: 'muniment_trail_differences',
    help: 'Rows without their event, and events without their row.',
    registers: [registry],
    collect() {
      this.set(latest()?.state.reconciliation.differences.length ?? NaN);
    },
  });
  new Gauge({
    name: 'muniment_trail_lag_seconds',
    help: 'How far what is stored of the furthest shard is behind, whichever replica reads it.',
    registers: [registry],
    collect() {
      const known = latest();
      this.set(known ? (known.state.stream.lag_ms ?? 0) / 1_000 : NaN);
    },
  });
}
