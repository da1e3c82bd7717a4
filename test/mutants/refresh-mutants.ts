import type { Mutant } from './mutant.ts';

const ROTATE = 'services/user/sessions/rotate-token.ts';
const QUERIES = 'services/user/sessions/refresh-token-queries.ts';
const REUSE_TEST = 'services/user/test/sessions/refresh-reuse.test.ts';
const LIFETIMES_TEST = 'services/user/test/sessions/session-lifetimes.test.ts';
const SESSIONS_TEST = 'services/user/test/sessions/sessions.test.ts';
const MAINTENANCE_TEST = 'services/user/test/maintenance.test.ts';

/** Refresh tokens: rotation, retry and reuse. */
export const REFRESH_MUTANTS: Mutant[] = [
  {
    name: 'spent-tokens-deleted',
    file: QUERIES,
    find: `where expires_at < now() - interval '1 day'`,
    replace: `where expires_at < now() - interval '1 day' or spent_at < now() - interval '1 minute'`,
    tests: [REUSE_TEST],
  },
  {
    name: 'reuse-not-dropped',
    file: ROTATE,
    find: 'afterCommit(request, () => auth.sessions.drop(spent.session_id));',
    replace: '',
    tests: [REUSE_TEST],
  },
  {
    name: 'reuse-without-outcome',
    file: 'services/user/sessions/session-events.ts',
    find: `  action: 'TOKEN_REUSE_DETECTED',
  outcome: 'failure',
  error: 'refresh_token_reused',`,
    replace: `  action: 'TOKEN_REUSE_DETECTED',`,
    tests: [REUSE_TEST],
  },
  {
    name: 'spent-child-ignored',
    file: ROTATE,
    find: 'if (sealedChild && !childSpent)',
    replace: 'if (sealedChild)',
    tests: [REUSE_TEST],
  },
  {
    name: 'child-not-stored',
    file: QUERIES,
    find: ', child_hash = ${childHash}',
    replace: '',
    tests: [REUSE_TEST],
  },
  {
    name: 'replay-asks-nothing',
    file: 'services/user/sessions/refresh-session.ts',
    find: '    await refuseReusedParent(context, request, token);\n',
    replace: '',
    tests: [REUSE_TEST],
  },
  {
    name: 'replayed-reuse-ends-nothing',
    file: ROTATE,
    find: '  await revokeReusedSession(context, { id, ip, headers, principal, traceparent }, spent);',
    replace: '  throw new RefreshTokenInvalid();',
    tests: [REUSE_TEST],
  },
  {
    name: 'sign-in-replayed-for-ever',
    file: 'services/user/sessions/session-cookies.ts',
    find: 'return !(await isSessionRefreshed(context.data.db, id));',
    replace: 'return true;',
    tests: [REUSE_TEST],
  },
  {
    name: 'retries-for-ever',
    file: QUERIES,
    find: 'case when t.spent_at > clock_timestamp() - ${RETRY_WINDOW_S}',
    replace: 'case when t.spent_at > clock_timestamp() - 10 * ${RETRY_WINDOW_S}',
    tests: [REUSE_TEST],
  },
  {
    name: 'child-wiped-at-once',
    file: QUERIES,
    find: `      and spent_at < clock_timestamp() - \${RETRY_WINDOW_S} * interval '1 second'`,
    replace: '',
    tests: [REUSE_TEST, MAINTENANCE_TEST],
  },
  {
    name: 'retry-of-an-ended-session',
    file: ROTATE,
    find: '  if (!live) return throwRefused(context, request, parent);\n',
    replace: '',
    tests: [REUSE_TEST],
  },
  {
    name: 'expired-token-rotates',
    file: QUERIES,
    find: 't.spent_at is null and t.expires_at > now()',
    replace: 't.spent_at is null',
    tests: [LIFETIMES_TEST],
  },
  {
    name: 'spent-token-rotates',
    file: QUERIES,
    find: 't.spent_at is null and t.expires_at > now()',
    replace: 't.expires_at > now()',
    tests: [REUSE_TEST, SESSIONS_TEST],
  },
  {
    name: 'reuse-not-recorded-once',
    file: ROTATE,
    find: `    if (!(await revokeSession(trx, spent.session_id, 'refresh_token_reused')))
      throw new RefreshTokenInvalid();`,
    replace: `    await revokeSession(trx, spent.session_id, 'refresh_token_reused');`,
    tests: [SESSIONS_TEST],
  },
];
