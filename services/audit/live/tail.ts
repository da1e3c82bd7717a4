import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Kysely } from 'kysely';
import {
  listSealedAfter,
  findSealedHead,
  type SealedEvent,
} from '../proofs/sealed-event-queries.ts';
import type { Tables } from '../tables.ts';

const PAGE = 1_000;

export interface TailOptions {
  db: Kysely<Tables>;
  log: Pick<FastifyBaseLogger, 'warn' | 'error'>;
  /** Pause between two looks for newly sealed events. */
  pollMs: number;
  /** Events kept for the streams that have not taken them yet. */
  maxEvents?: number;
  /** Bytes of their records, about. */
  maxBytes?: number;
}

/** An event of the tail, or the index alone of one that retention has moved away. */
export type TailEvent = Awaited<ReturnType<typeof listSealedAfter>>[number];

export const isPresent = (event: TailEvent): event is SealedEvent => event.id !== null;

/**
 * The end of the sealed log, read once for all streams of the replica. A stream holds nothing but its position: it takes what lies behind that
 * from here, and where it has fallen behind what is kept, from the table.
 */
export interface Tail {
  /** Reads on while anybody listens. @returns what ends the listening */
  listen(onNews: () => void): () => void;
  /** The newest index known; undefined before the first look. All up to it is sealed and visible to every later statement. */
  head(): number | undefined;
  /** Up to `limit` events behind a position; undefined when some of them are no longer kept. */
  after(position: number, limit: number): readonly TailEvent[] | undefined;
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
  /** Without holes: the last one has the index `head`. */
  let kept: TailEvent[] = [];
  let bytes = 0;
  let head: number | undefined;
  let reading: Promise<void> | undefined;
  let failing = false;

  const size = (event: TailEvent): number => (isPresent(event) ? event.record.length : 0);

  function keep(events: readonly TailEvent[]): void {
    for (const event of events) {
      kept.push(event);
      bytes += size(event);
    }
    let dropped = 0;
    while (kept.length - dropped > maxEvents || bytes > maxBytes) {
      bytes -= size(kept[dropped]!);
      dropped += 1;
    }
    if (dropped > 0) kept = kept.slice(dropped);
  }

  /** @returns whether there may be more at once */
  async function poll(): Promise<boolean> {
    if (head === undefined) {
      head = await findSealedHead(db);
      for (const onNews of listeners) onNews();
      return false;
    }
    const before = head;
    const page = await listSealedAfter(db, before, PAGE);
    const next = page.filter(({ index }, n) => index === before + 1 + n);
    if (next.length === 0) {
      // One sealer commits one batch after the other, so this is never seen; passing over it would lose events for good.
      if (page.length > 0)
        log.error(
          { after: before, next: page[0]?.index },
          'the sealed log has a hole; streams wait before it',
        );
      return false;
    }
    keep(next);
    head = before + next.length;
    for (const onNews of listeners) onNews();
    return page.length === PAGE;
  }

  async function read(): Promise<void> {
    while (listeners.size > 0) {
      try {
        const more = await poll();
        failing = false;
        if (more) continue;
      } catch (error) {
        if (!failing) log.warn({ err: error }, 'the sealed log could not be read; streams wait');
        failing = true;
      }
      await sleep(pollMs);
    }
    kept = [];
    bytes = 0;
    head = undefined;
    reading = undefined;
  }

  return {
    listen(onNews) {
      listeners.add(onNews);
      reading ??= read();
      return () => void listeners.delete(onNews);
    },
    head: () => head,
    after(position, limit) {
      if (head === undefined) return undefined;
      const from = position - (head - kept.length);
      return from < 0 ? undefined : kept.slice(from, from + limit);
    },
    stopped: async () => reading,
  };
}
