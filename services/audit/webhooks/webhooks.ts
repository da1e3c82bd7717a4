import type { BaseContext } from '../context.ts';
import { readUndeliveredAge } from './delivery/delivery-queries.ts';
import { createDispatcher } from './delivery/dispatcher.ts';
import { parseAllowList, parseEndpoint, resolveByDns, vetEndpoint } from './delivery/endpoint.ts';
import { renderPayload } from './delivery/payload.ts';
import { createSender } from './delivery/send.ts';
import { sendTest, type TestResult } from './delivery/send-test.ts';
import type { Webhook } from './delivery/webhook-queries.ts';
import { createWebhookCounters, measureDeliveries } from './webhook-metrics.ts';

export interface Webhooks {
  /** Checks that deliveries may go to a URL. @throws WebhookUrlRefused, with the reason */
  checkUrl(url: string): Promise<void>;
  /** Sends a test message. It never rejects for what the endpoint does. */
  sendTest(webhook: Webhook): Promise<TestResult>;
}

/** Opens the outgoing webhooks: their deliveries, and the rule of where they may go. */
export function openWebhooks({
  data,
  crypto,
  audit: { activity },
  http,
  jobs,
  metrics,
  config,
}: BaseContext): Webhooks {
  const { db, inTransaction } = data;
  const { masterKey, subjectKeys } = crypto;
  const allowList = parseAllowList(config.WEBHOOK_ALLOW);
  const { attempts, disabled } = createWebhookCounters(metrics);
  const { WEBHOOK_TIMEOUT_MS: timeoutMs } = config;
  const send = createSender({ allowList, resolve: resolveByDns, timeoutMs });
  const dispatcher = createDispatcher({
    db,
    inTransaction,
    masterKey,
    replica: config.REPLICA,
    log: http.log,
    send,
    render: (parts) => renderPayload({ db, subjectKeys }, parts),
    pollMs: config.WEBHOOK_POLL_MS,
    leaseTtlMs: config.WEBHOOK_LEASE_TTL_MS,
    isResting: activity.isResting,
    disableAfterMs: config.WEBHOOK_DISABLE_AFTER_MS,
    onAttempt: (outcome) => attempts.inc({ outcome }),
    onDisabled: (reason) => disabled.inc({ reason }),
  });
  measureDeliveries(metrics, {
    readAge: () => readUndeliveredAge(db),
    leading: () => dispatcher.leading(),
  });
  activity.onWork(dispatcher.wake);
  jobs.add(dispatcher);
  return {
    async checkUrl(url) {
      await vetEndpoint(parseEndpoint(url, allowList), resolveByDns);
    },
    sendTest: (webhook) => sendTest({ masterKey, send }, webhook),
  };
}
