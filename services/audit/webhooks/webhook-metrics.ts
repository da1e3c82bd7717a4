import { Counter, Gauge, type Registry } from 'prom-client';

/** Counts attempts and disabled webhooks; each label has a value from the start. */
export function createWebhookCounters(registry: Registry) {
  const attempts = new Counter({
    name: 'muniment_webhook_attempts_total',
    help: 'Attempts to deliver a webhook, by outcome.',
    labelNames: ['outcome'],
    registers: [registry],
  });
  const disabled = new Counter({
    name: 'muniment_webhooks_disabled_total',
    help: 'Webhooks that were turned off because of their endpoint, by reason.',
    labelNames: ['reason'],
    registers: [registry],
  });
  for (const outcome of ['delivered', 'failed', 'dead']) attempts.inc({ outcome }, 0);
  for (const reason of ['gone', 'failing']) disabled.inc({ reason }, 0);
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
