import { Counter, Gauge } from 'prom-client';
import type { Server } from '@muniment/server';
import type { Config } from '../config.ts';
import type { Tables } from '../tables.ts';
import { createFeeds, type CreateFeed } from './feed.ts';
import { createOpenStreams, type OpenStream, type StreamOptions } from './open-streams.ts';
import { createTail } from './tail.ts';

export interface Streams {
  /** @throws stream_capacity, too_many_streams */
  open(options: StreamOptions): OpenStream;
  feed: CreateFeed;
}

/** The live streams of a replica: one tail, and what is open. They end first of all when the replica stops, for they would never end themselves. */
export function createStreams(
  { app, db, log, metrics, subjectKeys }: Server<Tables>,
  config: Config,
): Streams {
  const tail = createTail({ db, log, pollMs: config.STREAM_POLL_MS });
  const ended = new Counter({
    name: 'muniment_streams_ended_total',
    help: 'Live streams that ended, by reason.',
    labelNames: ['reason'],
    registers: [metrics],
  });
  const streams = createOpenStreams({
    max: config.STREAM_MAX,
    maxPerOwner: config.STREAM_MAX_PER_READER,
    stallMs: config.STREAM_STALL_MS,
    log,
    onEnd: (reason) => ended.inc({ reason }),
    onSize: (size) => {
      if (size > 0) stopListening ??= tail.listen(streams.wakeAll);
      else {
        stopListening?.();
        stopListening = undefined;
      }
    },
  });
  let stopListening: (() => void) | undefined;
  new Gauge({
    name: 'muniment_streams',
    help: 'Live streams that are open.',
    registers: [metrics],
    collect() {
      this.set(streams.size());
    },
  });
  app.addHook('preClose', async () => streams.stop());
  app.addHook('onClose', () => tail.stopped());
  return { open: streams.open, feed: createFeeds({ db, subjectKeys, tail }) };
}
