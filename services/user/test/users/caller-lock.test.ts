import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import type { Principal } from '@muniment/security';
import { isCallerLive } from '../../users/caller-queries.ts';
import { build } from '../build.ts';

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
