import { sql, type Kysely } from 'kysely';
import { createWakeUp } from '@muniment/security';
import type { Channel } from '../auth/revocation-feed.ts';

/** What a loop must know to rest. */
export interface Rest {
  /** Nothing was recorded for ten seconds. A replica that is told nothing never rests. */
  isResting(): boolean;
  /** Resolves when a rest may have ended, after `ms`, or once `signal` is aborted. */
  untilWork(ms: number, signal: AbortSignal): Promise<void>;
}

/**
 * Whether events are recorded anywhere in the fleet. While none are, its loops look for work less
 * often. The first event after a rest is announced to all replicas.
 */
export interface Activity extends Rest {
  /** Call after the commit of an event. */
  recorded(): void;
  /** Calls `listener` when a rest may have ended. */
  onWork(listener: () => void): void;
}

interface ActivityOptions {
  /** Tells all replicas, this one too, on `channel`. */
  announce(): Promise<unknown>;
  now?: () => number;
}

const NAME = 'event_recorded';
const REST_AFTER_MS = 10_000;
/**
 * An announcement this old is repeated with the next event. So each event has loops that stay quick
 * for five more seconds, and NOTIFY, whose lock orders all commits, is sent twice in ten seconds.
 */
const ANNOUNCE_EVERY_MS = 5_000;

interface HeardActivity {
  activity: Activity;
  /** What the connection that listens must hear. */
  channel: Channel;
}

/** The activity of the fleet at this database. */
export const openActivity = <DB>(db: Kysely<DB>): HeardActivity =>
  createActivity({ announce: () => sql`select pg_notify(${NAME}, '')`.execute(db) });

export function createActivity({
  announce,
  now = () => performance.now(),
}: ActivityOptions): HeardActivity {
  const listeners = new Set<() => void>();
  const waits = createWakeUp();
  let announcedAt = now();
  let isListening = false;

  function wake(): void {
    announcedAt = now();
    for (const listener of listeners) listener();
    waits.wake();
  }

  async function tellOthers(): Promise<void> {
    try {
      await announce();
    } catch {
      // The next event is announced instead. Until then the loops look less often.
      announcedAt = -Infinity;
    }
  }

  const channel: Channel = {
    name: NAME,
    onNotification: wake,
    onListening(listening) {
      isListening = listening;
      // What was announced meanwhile is lost.
      wake();
    },
  };
  const activity: Activity = {
    isResting: () => isListening && now() - announcedAt > REST_AFTER_MS,
    recorded() {
      if (now() - announcedAt < ANNOUNCE_EVERY_MS) return;
      wake();
      void tellOthers();
    },
    onWork: (listener) => void listeners.add(listener),
    untilWork: waits.wait,
  };
  return { activity, channel };
}
