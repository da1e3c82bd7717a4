import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import type { Principal } from '@muniment/security';
import { untilBlocked } from '@muniment/testing';
import { isCallerLive } from '../../users/caller-queries.ts';
import { build, PASSWORD } from '../build.ts';

test('ending a session or API token waits for the transactions of its caller', async (t) => {
  const { context, call, register, rows } = await build(t);
  const { user, token, session_id: sessionId } = await register();
  const apiToken = (
    await call('POST', '/api/auth/tokens', { token, body: { name: 'x', scopes: ['profile:read'] } })
  ).json<{ id: string }>();
  const common = {
    id: user.id,
    role: 'customer' as const,
    expiresAt: new Date(Date.now() + 60_000),
  };
  const callers: [string, string, Principal][] = [
    [
      'api_tokens',
      apiToken.id,
      {
        ...common,
        sessionId: null,
        apiToken: { id: apiToken.id, scopes: ['profile:read'], askedAt: 0 },
      },
    ],
    ['sessions', sessionId, { ...common, sessionId, tokenId: 'x', keyId: 'x', apiToken: null }],
  ];
  for (const [table, id, caller] of callers) {
    const order: string[] = [];
    let ending: Promise<unknown> = Promise.resolve();
    await context.data.db.transaction().execute(async (trx) => {
      t.equal(await isCallerLive(trx, caller), true, table);
      ending = rows(`update identity.${table} set revoked_at = now() where id = $1`, [id]).then(
        () => order.push('ended'),
      );
      await sleep(300);
      order.push('made');
    });
    await ending;
    t.strictSame(order, ['made', 'ended'], table);
    await context.data.db
      .transaction()
      .execute(async (trx) =>
        t.equal(await isCallerLive(trx, caller), false, `${table} after its end`),
      );
  }
});

test('of two sessions that end each other at once one stays', async (t) => {
  const { context, call, register, rows } = await build(t);
  const first = await register();
  const second = (
    await call('POST', '/login', { body: { email: first.user.email, password: PASSWORD } })
  ).json<{ token: string; session_id: string }>();
  const end = ({ token }: { token: string }) => call('DELETE', '/api/auth/sessions', { token });
  const [winner, loser] = await context.data.db.transaction().execute(async (trx) => {
    await trx
      .selectFrom('identity.sessions')
      .select('id')
      .where('id', '=', second.session_id)
      .forUpdate()
      .execute();
    const one = end(first);
    await untilBlocked(rows, 'the first waits for the session that it ends');
    const other = end(second);
    await untilBlocked(rows, 'the second waits for its own session', 2);
    return [one, other].map((answer) => ({ answer }));
  });
  t.match((await winner?.answer)?.json(), { ended: 1 });
  t.equal((await loser?.answer)?.statusCode, 401);
  t.strictSame(await rows('select id from identity.sessions where revoked_at is null'), [
    { id: first.session_id },
  ]);
});

for (const [what, url, body] of [
  ['password', '/api/users/me/password', { current_password: PASSWORD, new_password: 'quite new' }],
  ['address', '/api/users/me/email', { email: 'new@example.com', password: PASSWORD }],
] as const)
  test(`a password that changes while it is checked changes no ${what}`, async (t) => {
    const { context, call, register, rows } = await build(t);
    const { user, token } = await register();
    const pending = await context.data.db.transaction().execute(async (trx) => {
      const changed = trx.updateTable('identity.users').where('id', '=', user.id);
      await changed.set({ password_hash: 'another' }).execute();
      const answer = call('POST', url, { token, body });
      await untilBlocked(rows, 'the request waits for the account');
      return { answer };
    });
    t.match((await pending.answer).json(), { status: 409, code: 'account_changed' });
    t.strictSame(await rows('select email, password_hash from identity.users'), [
      { email: user.email, password_hash: 'another' },
    ]);
    t.strictSame(await rows('select from identity.email_changes'), []);
  });
