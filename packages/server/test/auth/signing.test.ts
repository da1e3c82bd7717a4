import { test } from 'tap';
import { until } from '@muniment/testing';
import { build } from '../build.ts';
import { ensureSigningKey } from '../../../../services/user/signing-keys/signing-keys.ts';

const kidOf = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string })
    .kid;
const SUBJECT = {
  userId: '0190a1b2-c3d4-7e5f-8a9b-000000000001',
  sessionId: '0190a1b2-c3d4-7e5f-8a9b-0000000000aa',
  role: 'customer',
  sessionExpiresAt: new Date(Date.now() + 86_400_000),
} as const;

for (const status of ['compromised', 'retired']) {
  test(`a key that is marked ${status} while the replica runs signs nothing after the next read, and its successor's tokens verify at once`, async (t) => {
    const server = await build(t, {
      signing: async (db, masterKey) => ({
        key: await ensureSigningKey(db, masterKey),
        ttlSeconds: 900,
      }),
    });
    const { app, keys } = server;
    await keys.refresh();
    const issue = () => app.accessTokens.issue(SUBJECT).token;
    const before = issue();
    const kid = kidOf(before);
    await server.rows(`update identity.signing_keys set status = $1`, [status]);
    await keys.refresh();
    await until(() => kidOf(issue()) !== kid);
    t.match(await app.accessTokens.verify(issue()), { sub: SUBJECT.userId });
    t.strictSame(
      await server.rows(`select kid from identity.signing_keys where status = 'active'`),
      [{ kid: kidOf(issue()) }],
    );
    if (status === 'compromised')
      await t.rejects(app.accessTokens.verify(before), { code: 'UNAUTHENTICATED' });
    else
      t.match(
        await app.accessTokens.verify(before),
        { kid },
        'what it had signed counts until it expires',
      );
  });
}
