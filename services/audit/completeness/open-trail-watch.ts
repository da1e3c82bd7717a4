import type { BaseContext } from '../context.ts';
import { measureTrail } from './trail-metrics.ts';
import { createTrailWatch, type TrailWatch } from './trail-watch.ts';

/** Opens the watch over the trail's completeness. It starts with listening. */
export function openTrailWatch({
  data: { db },
  http: { log },
  jobs,
  health,
  metrics,
  config,
}: BaseContext): TrailWatch {
  const watch = createTrailWatch({
    db,
    stream: config.KINESIS_STREAM,
    replica: config.REPLICA,
    log,
  });
  health.add(watch.check);
  measureTrail(watch, metrics);
  jobs.add(watch);
  return watch;
}
