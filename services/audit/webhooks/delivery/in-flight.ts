import { createConcurrencyLimit } from '@muniment/security';

export interface InFlightOptions {
  /** Attempts of one webhook at the same time: a slow endpoint costs no other one its turn. */
  concurrency: number;
  /** Deliveries of one webhook in memory, those being attempted included. */
  capacity: number;
  /** A webhook has room for more again. */
  onRoom(): void;
}

/** The deliveries that this replica has in memory, by webhook. */
export interface InFlight {
  eventsOf(webhookId: string): string[];
  /** Starts a delivery, or queues it behind others of its webhook. `work` must not reject. */
  add(webhookId: string, eventId: string, work: () => Promise<void>): void;
  /** Drops the state of idle webhooks other than these. */
  retainOnly(webhookIds: ReadonlySet<string>): void;
  /** Resolves when every delivery in memory has ended. */
  settled(): Promise<void>;
}

interface WebhookQueue {
  events: Set<string>;
  limit: ReturnType<typeof createConcurrencyLimit>;
}

export function createInFlight({ concurrency, capacity, onRoom }: InFlightOptions): InFlight {
  const queues = new Map<string, WebhookQueue>();
  const running = new Set<Promise<void>>();

  function queueOf(webhookId: string): WebhookQueue {
    const queue = queues.get(webhookId) ?? {
      events: new Set<string>(),
      limit: createConcurrencyLimit({ concurrency, queueLimit: capacity }),
    };
    queues.set(webhookId, queue);
    return queue;
  }

  return {
    eventsOf: (webhookId) => [...(queues.get(webhookId)?.events ?? [])],
    add(webhookId, eventId, work) {
      const { events, limit } = queueOf(webhookId);
      events.add(eventId);
      const ending = limit.run(work).finally(() => {
        events.delete(eventId);
        running.delete(ending);
        if (events.size <= capacity / 2) onRoom();
      });
      running.add(ending);
    },
    retainOnly(webhookIds) {
      for (const [id, { events }] of queues)
        if (!webhookIds.has(id) && events.size === 0) queues.delete(id);
    },
    async settled() {
      await Promise.all(running);
    },
  };
}
