import { Gauge, type Registry } from 'prom-client';
import { createCounter } from '@muniment/server';

/** Counts attempts and disabled webhooks; each label has a value from the start. */
export function createWebhookCounters(registry: Registry) {
  const attempts = createCounter({
    name: 'muniment_webhook_attempts_total',
    help: 'Attempts to deliver a webhook, by outcome.',
    labels: { outcome: ['delivered', 'failed', 'dead'] },
    registers: [registry],
  });
  const disabled = createCounter({
    name: 'muniment_webhooks_disabled_total',
    help: 'Webhooks that were turned off because of their endpoint, by reason.',
    labels: { reason: ['gone', 'failing'] },
    registers: [registry],
  });
  return { attempts, disabled };
}

export interface DeliveryState {
  /** Age in seconds of the oldest undelivered event. */
  readAge(): Promise<number>;
  /** Whether this replica delivers. */
  leading(): boolean;
}

export function measureDeliveries(registry: Registry, { readAge, leading }: DeliveryState): void {
  new Gauge({
    name: 'muniment_webhook_oldest_undelivered_seconds',
    help: 'Age of the oldest event that an enabled webhook has not been given.',
    registers: [registry],
    // A scrape must not fail because the database is down.
    async collect() {
      this.set(await readAge().catch(() => NaN));
    },
  });
  new Gauge({
    name: 'muniment_webhooks_leading',
    help: '1 on the replica that delivers webhooks.',
    registers: [registry],
    collect() {
      this.set(leading() ? 1 : 0);
    },
  });
}
