import type { Mutant } from './mutant.ts';

const ATTEMPT = 'services/audit/webhooks/delivery/attempt-delivery.ts';
const QUERIES = 'services/audit/webhooks/delivery/delivery-queries.ts';
const ATTEMPT_TEST = 'services/audit/test/webhooks/delivery/attempt-delivery.test.ts';
const DISPATCHER_TEST = 'services/audit/test/webhooks/delivery/dispatcher.test.ts';
const ENDPOINT_TEST = 'services/audit/test/webhooks/delivery/endpoint.test.ts';

/** Which events go to which endpoint, and what its answers do. */
export const WEBHOOK_MUTANTS: Mutant[] = [
  {
    name: 'delivery-of-another-tenant',
    file: QUERIES,
    find: `
        and (w.tenant_id is null or e.tenant_id = w.tenant_id)`,
    replace: '',
    tests: [DISPATCHER_TEST],
  },
  {
    name: 'rest-of-a-full-window-skipped',
    file: QUERIES,
    find: '${made === limit && last !== null ? last : upTo}',
    replace: '${upTo}',
    tests: [ATTEMPT_TEST],
  },
  {
    name: 'old-secret-for-ever',
    file: QUERIES,
    find: `case when w.previous_secret_until > now()
        then w.wrapped_previous_secret end as`,
    replace: 'w.wrapped_previous_secret as',
    tests: [DISPATCHER_TEST],
  },
  {
    name: 'disabled-still-delivers',
    file: QUERIES,
    find: `d.status = 'pending'
      and w.enabled\``,
    replace: `d.status = 'pending'\``,
    tests: [ATTEMPT_TEST],
  },
  {
    name: 'failures-stay-after-a-success',
    file: ATTEMPT,
    find: '    if (failures > 0) await clearFailures(trx, webhookId);\n',
    replace: '',
    tests: [ATTEMPT_TEST],
  },
  {
    name: 'disabled-without-lease',
    file: ATTEMPT,
    find: `    await requireLease(trx, lease);
    if (!(await disable`,
    replace: '    if (!(await disable',
    tests: [ATTEMPT_TEST],
  },
  {
    name: 'overloaded-endpoint-asks-in-vain',
    file: ATTEMPT,
    find: 'return Math.max(delayMs, Math.min(retryAfterMs, MAX_PROBE_DELAY_MS));',
    replace: 'return delayMs;',
    tests: [ATTEMPT_TEST],
  },
  {
    name: 'connected-elsewhere',
    file: 'services/audit/webhooks/delivery/send.ts',
    find: `if (!addresses.includes(peer.remoteAddress ?? ''))`,
    replace: 'if (addresses.length === 0)',
    tests: ['services/audit/test/webhooks/delivery/send.test.ts'],
  },
  {
    name: 'private-beside-public',
    file: 'services/audit/webhooks/delivery/endpoint.ts',
    find: '!addresses.every(isPublicAddress)',
    replace: '!addresses.some(isPublicAddress)',
    tests: [ENDPOINT_TEST],
  },
];
