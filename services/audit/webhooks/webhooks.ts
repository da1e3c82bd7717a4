import { Counter, Gauge } from 'prom-client';
import type { BaseContext } from '../context.ts';
import { readUndeliveredAge } from './delivery/delivery-queries.ts';
import { createDispatcher } from './delivery/dispatcher.ts';
import { parseAllowList, parseEndpoint, resolveByDns, vetEndpoint } from './delivery/endpoint.ts';
import { renderPayload } from './delivery/payload.ts';
import { createSender } from './delivery/send.ts';

export interface Webhooks {
  /** Whether deliveries may go to a URL. @throws webhook_url_refused, with the reason */
  checkUrl(url: string): Promise<void>;
}

/** Opens the outgoing webhooks: their deliveries, and the rule of where they may go. */
export function openWebhooks({ data, crypto, http, jobs, metrics, config }: BaseContext): Webhooks {
  const { db, inTransaction } = data;
  const { masterKey, subjectKeys } = crypto;
  const allowList = parseAllowList(config.WEBHOOK_ALLOW);
  const attempts = new Counter({
    name: 'muniment_webhook_attempts_total',
    help: 'Attempts to deliver a webhook, by outcome.',
    labelNames: ['outcome'],
    registers: [metrics],
  });
  const disabled = new Counter({
    name: 'muniment_webhooks_disabled_total',
    help: 'Webhooks that were turned off because of their endpoint, by reason.',
    labelNames: ['reason'],
    registers: [metrics],
  });
  for (const outcome of ['delivered', 'failed', 'dead']) attempts.inc({ outcome }, 0);
  for (const reason of ['gone', 'failing']) disabled.inc({ reason }, 0);
  const dispatcher = createDispatcher({
    db,
    inTransaction,
    masterKey,
    replica: config.REPLICA,
    log: http.log,
    send: createSender({ allowList, resolve: resolveByDns, timeoutMs: config.WEBHOOK_TIMEOUT_MS }),
    render: (parts) => renderPayload({ db, subjectKeys }, parts),
    pollMs: config.WEBHOOK_POLL_MS,
    leaseTtlMs: config.WEBHOOK_LEASE_TTL_MS,
    disableAfterMs: config.WEBHOOK_DISABLE_AFTER_MS,
    onAttempt: (outcome) => attempts.inc({ outcome }),
    onDisabled: (reason) => disabled.inc({ reason }),
  });
  new Gauge({
    name: 'muniment_webhook_oldest_undelivered_seconds',
    help: 'Age of the oldest event that an enabled webhook has not been given.',
    registers: [metrics],
    // A scrape must not fail because the database is down.
    async collect() {
      this.set(await readUndeliveredAge(db).catch(() => NaN));
    },
  });
  new Gauge({
    name: 'muniment_webhooks_leading',
    help: '1 on the replica that delivers webhooks.',
    registers: [metrics],
    collect() {
      this.set(dispatcher.leading() ? 1 : 0);
    },
  });
  jobs.add(dispatcher);
  return {
    async checkUrl(url) {
      await vetEndpoint(parseEndpoint(url, allowList), resolveByDns);
    },
  };
}
