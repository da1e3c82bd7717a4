import type { Mutant } from './mutant.ts';

const ANSWERS = 'packages/server/src/idempotency/answers.ts';
const KEYED = 'packages/server/src/idempotency/keyed-request.ts';
const KEYS = 'packages/server/src/idempotency/idempotency.ts';
const SERVER_TEST = 'packages/server/test/idempotency/idempotency.test.ts';
const SERVICE_TEST = 'services/user/test/idempotency.test.ts';

/** Answers under an Idempotency-Key: whose they are, and for how long. */
export const IDEMPOTENCY_MUTANTS: Mutant[] = [
  {
    name: 'foreign-page-replays',
    file: KEYS,
    find: '[refreshCookieOf(cookies, request), cookies.isForeignPage(request)]',
    replace: '[refreshCookieOf(cookies, request)]',
    tests: [SERVICE_TEST],
  },
  {
    name: 'resource-not-in-the-scope',
    file: KEYS,
    find: 'canonicalJson(request.params ?? {})',
    replace: 'canonicalJson({})',
    tests: [SERVER_TEST],
  },
  {
    name: 'expired-answer-blocks',
    file: ANSWERS,
    find: `        where scope = \${scope}
          and created > clock_timestamp() - \${lifetime(ttlSeconds)}) as fingerprint\``,
    replace: '        where scope = ${scope}) as fingerprint`',
    tests: [SERVICE_TEST],
  },
  {
    name: 'expired-answer-replayed',
    file: ANSWERS,
    find: ` and created > clock_timestamp() - \${lifetime(ttlSeconds)}\`.execute(db);
  return rows[0];`,
    replace: `\`.execute(db);
  return rows[0];`,
    tests: [SERVICE_TEST],
  },
  {
    name: 'claimed-scope-is-free',
    file: KEYED,
    find: 'if (!free || fingerprint) throw inProgress();',
    replace: 'if (fingerprint) throw inProgress();',
    tests: [SERVER_TEST],
  },
  {
    name: 'other-content-in-a-race',
    file: KEYED,
    find: `  if (fingerprint && !timingSafeEqual(fingerprint, fingerprintOf(keyed, contentOf(keyed))))
    throw new IdempotencyKeyReused();
`,
    replace: '',
    tests: [SERVER_TEST],
  },
  {
    name: 'answer-outlives-its-user',
    file: KEYED,
    find: 'userId: request.principal?.id ?? pending.userId,',
    replace: 'userId: request.principal?.id ?? null,',
    tests: [SERVICE_TEST],
  },
  {
    name: 'replay-of-a-token-unrecorded',
    file: KEYED,
    find: '    await recordReplay(options, keyed, stored.userId);\n',
    replace: '',
    tests: [SERVICE_TEST],
  },
];
