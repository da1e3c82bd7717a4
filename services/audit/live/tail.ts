import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Kysely } from 'kysely';
import {
  findSealedHead,
  listSealedAfter,
  type SealedEvent,
} from '../proofs/sealed-event-queries.ts';
import { findLatestCheckpoint, type StoredCheckpoint } from '../proofs/tree/checkpoint-queries.ts';
import type { Tables } from '../tables.ts';
import { createTailBuffer, type TailEvent } from './tail-buffer.ts';

const BATCH_SIZE = 1_000;

export interface TailOptions {
  db: Kysely<Tables>;
  log: Pick<FastifyBaseLogger, 'warn' | 'error'>;
  /** Pause between two reads of newly sealed events. */
  pollMs: number;
  /** Events that are held for streams which have not taken them yet. */
  maxEvents?: number;
  /** Characters of their records. */
  maxBytes?: number;
}

export const isPresent = (event: TailEvent): event is SealedEvent => event.id !== null;

/** The end of the sealed log, read once for all streams of the replica. */
export interface Tail {
  /** Reads on while there are listeners. @returns what ends the listening */
  listen(onNews: () => void): () => void;
  /** The newest known index; undefined before the first read. Later statements see all up to it. */
  head(): number | undefined;
  /** Up to `limit` events behind a position; undefined when some of them are no longer held. */
  after(position: number, limit: number): readonly TailEvent[] | undefined;
  /** The newest known checkpoint. All events below its size are sealed. */
  checkpoint(): StoredCheckpoint | undefined;
  /** Resolves when nothing is read any more. */
  stopped(): Promise<void>;
}

export function createTail({
  db,
  log,
  pollMs,
  maxEvents = 5_000,
  maxBytes = 16 * 1024 * 1024,
}: TailOptions): Tail {
  const listeners = new Set<() => void>();
  const buffer = createTailBuffer({ maxEvents, maxBytes });
  let reading: Promise<void> | undefined;
  let checkpoint: StoredCheckpoint | undefined;
  let isFailing = false;

  function notify(): void {
    for (const onNews of listeners) onNews();
  }

  /** @returns whether there may be more at once */
  async function poll(): Promise<boolean> {
    const head = buffer.head();
    if (head === undefined) {
      buffer.start(await findSealedHead(db));
      notify();
      return false;
    }
    const batch = await listSealedAfter(db, head, BATCH_SIZE);
    const next = batch.filter(({ index }, n) => index === head + 1 + n);
    // The sealer commits one batch after the other, so a hole never shows. To pass it would lose
    // events.
    if (next.length === 0 && batch.length > 0)
      log.error(
        { after: head, next: batch[0]?.index },
        'the sealed log has a hole; streams wait before it',
      );
    if (next.length === 0) return false;
    buffer.add(next);
    notify();
    return batch.length === BATCH_SIZE;
  }

  /** Asks only while something is sealed that is not signed. */
  async function readCheckpoint(): Promise<void> {
    const head = buffer.head() ?? -1;
    if ((checkpoint?.size ?? 0) > head) return;
    const newest = await findLatestCheckpoint(db);
    if (newest?.size === checkpoint?.size) return;
    checkpoint = newest;
    notify();
  }

  async function read(): Promise<void> {
    while (listeners.size > 0) {
      try {
        const isMore = await poll();
        await readCheckpoint();
        isFailing = false;
        if (isMore) continue;
      } catch (error) {
        if (!isFailing) log.warn({ err: error }, 'the sealed log could not be read; streams wait');
        isFailing = true;
      }
      await sleep(pollMs);
    }
    buffer.clear();
    checkpoint = undefined;
    reading = undefined;
  }

  return {
    listen(onNews) {
      listeners.add(onNews);
      reading ??= read();
      return () => void listeners.delete(onNews);
    },
    head: buffer.head,
    after: buffer.after,
    checkpoint: () => checkpoint,
    stopped: async () => reading,
  };
}
