import { Gauge, type Registry } from 'prom-client';
import { createCounter } from '@muniment/server';
import type { BaseContext } from '../context.ts';
import { createFeeds, type CreateFeed } from './feed.ts';
import type { Tree } from '../proofs/tree/tree.ts';
import type { OpenStream, StreamOptions } from './open-stream.ts';
import { STREAM_ENDS } from './stream-end.ts';
import { createStreamRegistry, type StreamRegistry } from './stream-registry.ts';
import { createTail } from './tail.ts';

export interface Streams {
  /** @throws StreamCapacity, TooManyStreams */
  open(options: StreamOptions): OpenStream;
  feed: CreateFeed;
}

/** Opens the live streams of a replica and the one tail that feeds them. */
export function openStreams(
  { data: { db }, crypto, http, metrics, config }: BaseContext,
  tree: Tree,
): Streams {
  const { app, log } = http;
  const tail = createTail({ db, log, pollMs: config.STREAM_POLL_MS });
  const ended = createEndedCounter(metrics);
  let stopListening: (() => void) | undefined;
  const registry = createStreamRegistry({
    max: config.STREAM_MAX,
    maxPerOwner: config.STREAM_MAX_PER_READER,
    stallMs: config.STREAM_STALL_MS,
    log,
    onEnd: (reason) => ended.inc({ reason }),
    onSize: (size) => {
      if (size > 0) stopListening ??= tail.listen(registry.wakeAll);
      else {
        stopListening?.();
        stopListening = undefined;
      }
    },
  });
  measureStreams(metrics, registry);
  // Streams never end by themselves, so they end first when the replica stops.
  app.addHook('preClose', async () => registry.stop());
  app.addHook('onClose', () => tail.stopped());
  const feed = createFeeds({ db, subjectKeys: crypto.subjectKeys, tail, tree });
  return { open: registry.open, feed };
}

const createEndedCounter = (metrics: Registry) =>
  createCounter({
    name: 'muniment_streams_ended_total',
    help: 'Live streams that ended, by reason.',
    labels: { reason: STREAM_ENDS },
    registers: [metrics],
  });

function measureStreams(metrics: Registry, registry: StreamRegistry): void {
  new Gauge({
    name: 'muniment_streams',
    help: 'Live streams that are open.',
    registers: [metrics],
    collect() {
      this.set(registry.size());
    },
  });
}
