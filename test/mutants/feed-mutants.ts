import type { Mutant } from './mutant.ts';

const FEED = 'packages/server/src/auth/revocation-feed.ts';
const SET = 'packages/security/src/sessions/revocations.ts';
const FRESHNESS = 'packages/security/src/sessions/freshness.ts';
const LOOKUP = 'packages/security/src/sessions/session-lookup.ts';
const TRIGGERS = 'services/user/migrations/0003_revocations.ts';

const COMPLETENESS = 'packages/server/test/auth/feed-completeness.test.ts';
const FEED_TEST = 'packages/server/test/auth/revocation-feed.test.ts';
const SET_TEST = 'packages/security/test/sessions/revocations.test.ts';
const LOOKUP_TEST = 'packages/security/test/sessions/session-lookup.test.ts';

/** The revocation feed, its set in memory, and what asks it. */
export const FEED_MUTANTS: Mutant[] = [
  {
    name: 'freshness-from-the-answer',
    file: FEED,
    find: 'revocations.confirmComplete(sentAt)',
    replace: 'revocations.confirmComplete(revocations.now())',
    tests: [COMPLETENESS],
  },
  {
    name: 'snapshot-after-the-pages',
    file: FEED,
    find: `  const { rows } = await client.query<{ snapshot: string }>(
    'select pg_current_snapshot()::text as snapshot',
  );
  // After the snapshot: the first heart-beat brings what is committed while pages are read.
  if (!(await readAll(feed, client))) await waitForRoom(feed);`,
    replace: `  if (!(await readAll(feed, client))) await waitForRoom(feed);
  const { rows } = await client.query<{ snapshot: string }>(
    'select pg_current_snapshot()::text as snapshot',
  );`,
    tests: [COMPLETENESS],
  },
  {
    name: 'only-the-first-page',
    file: FEED,
    find: 'rows.length === PAGE ? rows.at(-1)',
    replace: 'rows.length > PAGE ? rows.at(-1)',
    tests: [FEED_TEST],
  },
  {
    name: 'standby-believed',
    file: FEED,
    find: 'if (!first || first.standby)',
    replace: 'if (!first)',
    tests: [COMPLETENESS],
  },
  {
    name: 'swept-by-own-clock',
    file: FEED,
    find: 'revocations.sweep(first.now)',
    replace: 'revocations.sweep(Date.now() / 1_000)',
    tests: [COMPLETENESS],
  },
  {
    name: 'notifications-ignored',
    file: FEED,
    find: 'addRow(feed, { kind, id, counts_until: until });',
    replace: 'void [kind, id, until];',
    tests: [COMPLETENESS],
  },
  {
    name: 'half-read-set-kept',
    file: FEED,
    find: '  feed.revocations.clear();\n',
    replace: '',
    tests: [FEED_TEST],
  },
  {
    name: 'half-read-set-believed',
    file: FEED,
    find: 'if (!(await readAll(feed, client))) await waitForRoom(feed);',
    replace: 'await readAll(feed, client);',
    tests: [FEED_TEST],
  },
  {
    name: 'late-commit-overlooked',
    file: FEED,
    find: 'on r.announced_in >= pg_snapshot_xmin($1::pg_snapshot)',
    replace: 'on r.announced_in >= pg_snapshot_xmax($1::pg_snapshot)',
    tests: [FEED_TEST],
  },
  {
    name: 'foreign-rows-at-each-beat',
    file: FEED,
    find: '      and r.announced_in < pg_snapshot_xmax(pg_current_snapshot())\n',
    replace: '',
    tests: [FEED_TEST],
  },
  {
    name: 'dead-connection-waited-for',
    file: FEED,
    find: '    query_timeout: ANSWER_TIMEOUT_MS,\n',
    replace: '',
    tests: [FEED_TEST],
  },
  {
    name: 'age-of-the-younger-clock',
    file: FRESHNESS,
    find: 'return Math.max(monotonic',
    replace: 'return Math.min(monotonic',
    tests: [SET_TEST],
  },
  {
    name: 'expiry-shortened',
    file: SET,
    find: 'if (expiresAt > known) entries[kind].set(id, expiresAt);',
    replace: 'entries[kind].set(id, expiresAt);',
    tests: [SET_TEST],
  },
  {
    name: 'repeated-change-overlooked',
    file: SET,
    find: `if (kind === 'user') usersChangedAt.set(id, now().monotonic);`,
    replace: `if (kind === 'user' && !known) usersChangedAt.set(id, now().monotonic);`,
    tests: [SET_TEST],
  },
  {
    name: 'fresh-though-too-many',
    file: SET,
    find: ' && size() <= maxEntries',
    replace: '',
    tests: [SET_TEST],
  },
  {
    name: 'swept-while-it-counts',
    file: SET,
    find: 'if (expiresAt > seconds) continue;',
    replace: 'if (expiresAt > seconds + 60) continue;',
    tests: [SET_TEST],
  },
  {
    name: 'fresh-after-clear',
    file: SET,
    find: '      freshness.forget();\n',
    replace: '',
    tests: [SET_TEST],
  },
  {
    name: 'revoked-during-the-query',
    file: LOOKUP,
    find: 'if (role === undefined || revocations.isSessionRevoked(sessionId)) return DEAD;',
    replace: 'if (role === undefined) return DEAD;',
    tests: [LOOKUP_TEST],
  },
  {
    name: 'stale-set-believed',
    file: LOOKUP,
    find: `      if (!revocations.isFresh()) return lookUp(claim, 'stale');\n`,
    replace: '',
    tests: [LOOKUP_TEST],
  },
  {
    name: 'answer-before-the-change',
    file: LOOKUP,
    find: ' || known.askedAt <= changedAt)',
    replace: ')',
    tests: [LOOKUP_TEST],
  },
  {
    name: 'answer-of-another-user',
    file: LOOKUP,
    find: 'row && row.user_id === userId && isRole(row.role)',
    replace: 'row && isRole(row.role)',
    tests: [LOOKUP_TEST],
  },
  {
    name: 'cached-answer-of-another-user',
    file: LOOKUP,
    find: 'if (!known || known.userId !== userId ||',
    replace: 'if (!known ||',
    tests: [LOOKUP_TEST],
  },
  {
    name: 'as-of-the-answer',
    file: LOOKUP,
    find: 'return { live: true, role, asOf: askedAt };',
    replace: 'return { live: true, role, asOf: performance.now() };',
    tests: [LOOKUP_TEST],
  },
  {
    name: 'own-revocation-forgotten',
    file: LOOKUP,
    find: `drop: (sessionId: string): void => void addOwn('session', sessionId),`,
    replace: 'drop: (sessionId: string): void => void sessionId,',
    tests: [LOOKUP_TEST],
  },
  {
    name: 'shortened-session-unannounced',
    file: TRIGGERS,
    find: 'or new.expires_at <= now() ',
    replace: '',
    tests: [FEED_TEST],
  },
  {
    name: 'suspension-unannounced',
    file: TRIGGERS,
    find: 'or old.status <> new.status or',
    replace: 'or',
    tests: [FEED_TEST],
  },
  {
    name: 'question-wakes-nobody',
    file: FRESHNESS,
    find: '      questions.wake();\n',
    replace: '',
    tests: [FEED_TEST],
  },
  {
    name: 'feed-never-rests',
    file: FEED,
    find: 'feed.revocations.unaskedMs() > REST_AFTER_MS',
    replace: 'false',
    tests: [FEED_TEST],
  },
  {
    name: 'rest-is-reported-as-a-loss',
    file: FEED,
    find: 'const restMs = isResting ? REST_BEAT_MS : 0;',
    replace: 'const restMs = isResting ? 0 : 0;',
    tests: [FEED_TEST],
  },
];
