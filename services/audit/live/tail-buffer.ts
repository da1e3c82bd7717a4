import type { SealedEvent } from '../proofs/sealed-event-queries.ts';

/** A sealed event, or the bare index of an archived one. */
export type TailEvent = SealedEvent | { index: number; id: null };

/** The newest events without a hole; the last one has the index `head`. */
export interface TailBuffer {
  head(): number | undefined;
  /** Up to `limit` events behind a position; undefined when some of them are no longer held. */
  after(position: number, limit: number): readonly TailEvent[] | undefined;
  /** Begins behind an index. */
  start(head: number): void;
  /** Adds the events that follow the head. */
  add(events: readonly TailEvent[]): void;
  clear(): void;
}

const sizeOf = (event: TailEvent): number => (event.id === null ? 0 : event.record.length);

export function createTailBuffer({
  maxEvents,
  maxBytes,
}: {
  maxEvents: number;
  maxBytes: number;
}): TailBuffer {
  let events: TailEvent[] = [];
  let bytes = 0;
  let head: number | undefined;
  return {
    head: () => head,
    after(position, limit) {
      if (head === undefined) return undefined;
      const from = position - (head - events.length);
      return from < 0 ? undefined : events.slice(from, from + limit);
    },
    start(index) {
      head = index;
    },
    add(added) {
      for (const event of added) {
        events.push(event);
        bytes += sizeOf(event);
      }
      let dropped = 0;
      while (events.length - dropped > maxEvents || bytes > maxBytes) {
        bytes -= sizeOf(events[dropped]!);
        dropped += 1;
      }
      if (dropped > 0) events = events.slice(dropped);
      head = added.at(-1)?.index ?? head;
    },
    clear() {
      events = [];
      bytes = 0;
      head = undefined;
    },
  };
}
