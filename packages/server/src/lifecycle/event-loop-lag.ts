import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, type Registry } from 'prom-client';

type IntervalHistogram = ReturnType<typeof monitorEventLoopDelay>;

/** Each delay contains it. Node's 10 ms would cost five times as much. */
export const DELAY_RESOLUTION_MS = 50;
const REST_AFTER_MS = 10_000;

/** Samples the event loop's delay while the replica works. */
export interface DelaySampling {
  /** Adds a histogram. At rest it is empty. */
  open(): IntervalHistogram;
  /** There is work: starts to sample, until there is none for ten seconds. */
  start(): void;
  isSampling(): boolean;
  stop(): void;
}

/** At rest two histograms took 0.15 % of a core of each replica, a third of all that it took. */
export function createDelaySampling(isResting: () => boolean): DelaySampling {
  const histograms: IntervalHistogram[] = [];
  let workedAt = 0;
  let timer: NodeJS.Timeout | undefined;

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
    for (const histogram of histograms) {
      histogram.disable();
      histogram.reset();
    }
  }

  return {
    open() {
      const histogram = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
      if (timer) histogram.enable();
      histograms.push(histogram);
      return histogram;
    },
    start() {
      workedAt = performance.now();
      if (timer) return;
      for (const histogram of histograms) histogram.enable();
      timer = setInterval(() => {
        if (isResting() && performance.now() - workedAt >= REST_AFTER_MS) stop();
      }, REST_AFTER_MS).unref();
    },
    isSampling: () => timer !== undefined,
    stop,
  };
}

const READINGS: Record<string, (delays: IntervalHistogram) => number> = {
  min: ({ min }) => min,
  max: ({ max }) => max,
  mean: ({ mean }) => mean,
  stddev: ({ stddev }) => stddev,
  p50: (delays) => delays.percentile(50),
  p90: (delays) => delays.percentile(90),
  p99: (delays) => delays.percentile(99),
};

/** Puts gauges that rest in the place of prom-client's, whose sampling never ends. */
export function measureEventLoopLag(registry: Registry, delays: IntervalHistogram): void {
  for (const [reading, read] of Object.entries(READINGS)) {
    const name = `nodejs_eventloop_lag_${reading}_seconds`;
    registry.removeSingleMetric(name);
    new Gauge({
      name,
      help: `Delay of the event loop since the last scrape, ${reading}; 0 at rest.`,
      registers: [registry],
      collect() {
        this.set(delays.count === 0 ? 0 : read(delays) / 1e9);
        // The last one that reads.
        if (reading === 'p99') delays.reset();
      },
    });
  }
}
