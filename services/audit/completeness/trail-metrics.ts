import { Gauge, type Registry } from 'prom-client';
import type { TrailState } from './trail-state.ts';
import type { TrailWatch } from './trail-watch.ts';

type Watch = Pick<TrailWatch, 'latest'>;

/**
 * Puts the trail's state into the replica's metrics. All replicas report the same trail. NaN while
 * it is unknown, as 0 would report that all is well.
 */
export function measureTrail(watch: Watch, registry: Registry): void {
  measureAlarms(watch, registry);
  measureSources(watch, registry);
  new Gauge({
    name: 'muniment_trail_differences',
    help: 'Rows without their event, and events without their row.',
    registers: [registry],
    collect() {
      this.set(watch.latest()?.state.reconciliation.differences.length ?? NaN);
    },
  });
  new Gauge({
    name: 'muniment_trail_lag_seconds',
    help: 'How far what is stored of the furthest shard is behind, whichever replica reads it.',
    registers: [registry],
    collect() {
      const known = watch.latest();
      this.set(known ? (known.state.stream.lag_ms ?? 0) / 1_000 : NaN);
    },
  });
}

function measureAlarms({ latest }: Watch, registry: Registry): void {
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
}

function measureSources({ latest }: Watch, registry: Registry): void {
  type Source = TrailState['sources'][number];
  const gauge = (name: string, help: string, value: (source: Source) => number): void => {
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
  gauge(
    'muniment_trail_hole_seconds',
    'Age of the oldest number that was given and is not stored.',
    ({ lanes }) =>
      Math.max(0, ...lanes.flatMap(({ holes }) => holes.map(({ age_seconds: age }) => age))),
  );
  gauge(
    'muniment_trail_missing',
    'Numbers that were given and are not stored, those on their way included.',
    ({ missing }) => missing,
  );
}
