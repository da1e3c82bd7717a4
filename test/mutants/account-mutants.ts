import type { Mutant } from './mutant.ts';

const CHANGE = 'services/user/passwords/change-password.ts';
const RESET = 'services/user/passwords/reset-password.ts';
const CONFIRM = 'services/user/passwords/confirm-password.ts';
const GRANT = 'services/user/sign-in/grant-role.ts';
const USERS = 'services/user/users/user-queries.ts';
const INTROSPECT = 'services/user/api-tokens/introspect-token.ts';
const INTROSPECT_TEST = 'services/user/test/api-tokens/introspect-token.test.ts';
const LOCK_TEST = 'services/user/test/users/caller-lock.test.ts';
const EMAIL_TEST = 'services/user/test/account/change-email.test.ts';
const RECOVERY_TEST = 'services/user/test/passwords/recovery.test.ts';
const LIMITS_TEST = 'services/user/test/sign-in/login-limits.test.ts';
const ADMIN_TEST = 'services/user/test/sign-in/make-privileged-user.test.ts';
const LAST_ADMIN_TEST = 'services/user/test/users/last-administrator.test.ts';
const CHANNEL_TEST = 'services/user/test/web-socket/channel-access.test.ts';
const STATUS_TEST = 'services/user/test/users/status-change.test.ts';
const SESSIONS_TEST = 'services/user/test/sessions/sessions.test.ts';

/** What a new password, a sign-in and an administrator's grant must end, refuse or give back. */
export const ACCOUNT_MUTANTS: Mutant[] = [
  {
    name: 'others-ended-by-an-ended-session',
    file: 'services/user/sessions/end-other-sessions.ts',
    find: 'if (!live.includes(sessionId)) throw new Unauthenticated();',
    replace: 'void live;',
    tests: [LOCK_TEST],
  },
  {
    name: 'logout-counted-twice',
    file: 'services/user/sessions/logout.ts',
    find: `if (!(await revokeSession(trx, sessionId, 'logout'))) throw new Unauthenticated();`,
    replace: `await revokeSession(trx, sessionId, 'logout');`,
    tests: [SESSIONS_TEST],
  },
  {
    name: 'link-outlives-the-password',
    file: CHANGE,
    find: '    await deleteResetTokens(trx, id);\n',
    replace: '',
    tests: [RECOVERY_TEST],
  },
  {
    name: 'new-address-outlives-the-password',
    file: CHANGE,
    find: '    await deleteEmailChange(trx, id);\n',
    replace: '',
    tests: [EMAIL_TEST],
  },
  {
    name: 'new-address-outlives-the-reset',
    file: RESET,
    find: '    await deleteEmailChange(trx, userId);\n',
    replace: '',
    tests: [EMAIL_TEST],
  },
  {
    name: 'reset-drops-nothing',
    file: RESET,
    find: '  afterCommit(request, () => dropAccess(context, revoked));\n',
    replace: '',
    tests: [RECOVERY_TEST],
  },
  {
    name: 'confirmed-by-an-ended-session',
    file: CONFIRM,
    find: '  if (!(await isSessionLive(trx, sessionId))) throw new Unauthenticated();\n',
    replace: '  await isSessionLive(trx, sessionId);\n',
    tests: [SESSIONS_TEST],
  },
  {
    name: 'confirmed-by-a-former-password',
    file: CONFIRM,
    find: '  if (!unchanged) throw new AccountChanged();\n',
    replace: '',
    tests: [LOCK_TEST],
  },
  {
    name: 'overload-costs-a-confirmation',
    file: CONFIRM,
    find: `      await attempt.refund();
      throw error;`,
    replace: '      throw error;',
    tests: [LIMITS_TEST],
  },
  {
    name: 'overload-costs-a-login',
    file: 'services/user/sign-in/sign-in.ts',
    find: '    else await attempt.refund();\n',
    replace: '',
    tests: [LIMITS_TEST],
  },
  {
    name: 'unsent-link-expires',
    file: 'services/user/verification/recovery-queries.ts',
    find: `
      and not exists (select from identity.mail_outbox m
        where m.reset_token = t.token_hash and m.status = 'waiting')`,
    replace: '',
    tests: ['services/user/test/maintenance.test.ts'],
  },
  {
    name: 'grant-keeps-the-change-of-address',
    file: GRANT,
    find: '  await deleteEmailChange(trx, id);\n',
    replace: '',
    tests: [ADMIN_TEST],
  },
  {
    name: 'grant-recorded-twice',
    file: GRANT,
    find: '  await consumeStatusChange(trx, id);\n',
    replace: '',
    tests: [STATUS_TEST],
  },
  {
    name: 'signed-in-while-suspended',
    file: USERS,
    find: `    .where(sql\`coalesce(password_hash, foreign_hash)\`, '=', passwordHash)
    .where('status', '=', 'active');`,
    replace: `    .where(sql\`coalesce(password_hash, foreign_hash)\`, '=', passwordHash);`,
    tests: [STATUS_TEST],
  },
  {
    name: 'last-administrator-by-two-at-once',
    file: 'services/user/migrations/0014_auditors.ts',
    find: `      perform pg_advisory_xact_lock(hashtextextended('identity.require_administrator', 0));
`,
    replace: '',
    tests: [LAST_ADMIN_TEST],
  },
  {
    name: 'auditor-keeps-tokens',
    file: 'packages/security/src/permissions.ts',
    find: "  if (!mayHoldTokens(caller.role)) return 'role';\n",
    replace: '',
    tests: [CHANNEL_TEST],
  },
  {
    name: 'introspected-beyond-the-role',
    file: INTROSPECT,
    find: 'denialOf({ role, scopes }, scope) === undefined',
    replace: `denialOf({ role: 'admin', scopes }, scope) === undefined`,
    tests: [INTROSPECT_TEST],
  },
  {
    name: 'introspected-by-a-stale-feed',
    file: INTROSPECT,
    find: '(!revocations.isFresh() && !(await keys.revalidate(claims.kid)))',
    replace: '(!revocations.isFresh() && !keys)',
    tests: [INTROSPECT_TEST],
  },
];
