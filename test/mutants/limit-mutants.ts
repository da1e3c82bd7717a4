import type { Mutant } from './mutant.ts';

const LOCAL = 'packages/server/src/limits/local-limits.ts';
const LIMITS = 'packages/server/src/limits/limits.ts';
const KEYED = 'packages/server/src/idempotency/keyed-request.ts';
const AUTHENTICATE = 'packages/security/src/authenticate.ts';
const LOCAL_TEST = 'packages/server/test/limits/local-limits.test.ts';
const LIMITS_TEST = 'packages/server/test/limits/limits.test.ts';
const IDEMPOTENCY_TEST = 'packages/server/test/idempotency/idempotency.test.ts';
const REFUSED_TEST = 'services/user/test/limits/refused-requests.test.ts';
const MESSAGES_TEST = 'services/user/test/web-socket/message-limits.test.ts';
const SOCKETS_TEST = 'services/user/test/web-socket/socket-room.test.ts';

/** Limits that all replicas share, what they count, and answers that must not be kept. */
export const LIMIT_MUTANTS: Mutant[] = [
  {
    name: 'rate-limited-answer-kept',
    file: KEYED,
    find: "if (status === 429 || !storable) return 'commit';",
    replace: "if (!storable) return 'commit';",
    tests: [IDEMPOTENCY_TEST],
  },
  {
    name: 'record-rolled-back-with-a-failure',
    file: KEYED,
    find: "if (status >= 500) return pending.changes ? 'roll back' : 'commit';",
    replace: "if (status >= 500) return 'roll back';",
    tests: [IDEMPOTENCY_TEST],
  },
  {
    name: 'expired-lease-spent',
    file: LOCAL,
    find: 'if (lease.tokens > 0 && now() < lease.until) {',
    replace: 'if (lease.tokens > 0) {',
    tests: [LOCAL_TEST],
  },
  {
    name: 'expired-lease-added',
    file: LOCAL,
    find: 'lease.tokens = row.granted;',
    replace: 'lease.tokens += row.granted;',
    tests: [LOCAL_TEST],
  },
  {
    name: 'refusal-asked-each-time',
    file: LOCAL,
    find: `      if (now() < lease.refusedUntil) return false;
`,
    replace: `      if (lease.refusedUntil > 0 && !lease.asking) {
        await renewBriefly(budget, lease, counted);
        if (now() < lease.refusedUntil) return false;
      }
`,
    tests: [LOCAL_TEST],
  },
  {
    name: 'refusal-remembered-too-long',
    file: LOCAL,
    find: 'Math.min(REFUSAL_MS, row.retry_us / 1_000)',
    replace: 'Math.max(REFUSAL_MS, row.retry_us / 1_000)',
    tests: [LOCAL_TEST],
  },
  {
    name: 'one-lease-for-all-limits',
    file: LOCAL,
    find: 'const id = `${name}\\0${of}`;',
    replace: 'const id = of;',
    tests: [LOCAL_TEST],
  },
  {
    name: 'slow-database-waited-for',
    file: LOCAL,
    find: 'const LOOKUP_TIMEOUT_MS = 250;',
    replace: 'const LOOKUP_TIMEOUT_MS = 25_000;',
    tests: [LOCAL_TEST],
  },
  {
    name: 'each-replica-reports',
    file: LOCAL,
    find: 'if (mayReport && (await limits.isFirstReport(counted)))',
    replace: 'if (mayReport)',
    tests: [LOCAL_TEST],
  },
  {
    name: 'shortest-wait-said',
    file: LIMITS,
    find: 'const retryUs = Math.max(',
    replace: 'const retryUs = Math.min(',
    tests: [LIMITS_TEST],
  },
  {
    name: 'refused-request-uncounted',
    file: AUTHENTICATE,
    find: `      await options.onCaller?.(request);
      await authorize(authenticator, route, { access, byCookie });`,
    replace: `      await authorize(authenticator, route, { access, byCookie });
      await options.onCaller?.(request);`,
    tests: [REFUSED_TEST],
  },
  {
    name: 'token-elsewhere-uncounted',
    file: AUTHENTICATE,
    find: `  await countRejection(authenticator, route);
  await authenticator.onDenied`,
    replace: '  await authenticator.onDenied',
    tests: [REFUSED_TEST],
  },
  {
    name: 'owner-told-to-a-thief',
    file: AUTHENTICATE,
    find: `  request.principal = null;
`,
    replace: '',
    tests: [REFUSED_TEST],
  },
  {
    name: 'known-token-told-by-a-429',
    file: 'packages/server/src/limits/record-denial.ts',
    find: `      if (denied.reason === 'address' && error instanceof RateLimited) return;
`,
    replace: '',
    tests: [REFUSED_TEST],
  },
  {
    name: 'message-uncounted',
    file: 'services/user/web-socket/answer-message.ts',
    find: `  await context.limits.countMessage(authenticated, request);
`,
    replace: '',
    tests: [MESSAGES_TEST],
  },
  {
    name: 'unreadable-message-uncounted',
    file: 'services/user/web-socket/answer-message.ts',
    find: `    await limits.countMessage(request, request);
`,
    replace: '',
    tests: [MESSAGES_TEST],
  },
  {
    name: 'useless-socket-stays',
    file: 'services/user/web-socket/sockets.ts',
    find: "hasSucceeded ||= outcome === 'success'",
    replace: "hasSucceeded ||= outcome !== ''",
    tests: [SOCKETS_TEST],
  },
  {
    name: 'late-answer-cut',
    file: 'services/user/web-socket/sockets.ts',
    find: 'if (!isAnswering()) closeLate();',
    replace: 'closeLate();',
    tests: [SOCKETS_TEST],
  },
];
