import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { build, type TestServer } from '../build.ts';
import { naiveCheckpoints } from './naive-checkpoint.ts';
import { fillLog } from '../fill-log.ts';

/** A log of 30 MB: more than the sockets between the two hold. */
async function start(t: Test, settings: Record<string, string>): Promise<TestServer> {
  const parts = await build(t, settings);
  await fillLog(parts, 3_000, () => ({ metadata: { text: 'x'.repeat(10_000) } }));
  Object.assign(parts.server.tree, { latestCheckpoint: naiveCheckpoints(parts.db).latest });
  await parts.server.http.app.listen({ port: 0 });
  return parts;
}

/** A client that reads as slowly as it likes. */
async function connect(
  parts: TestServer,
  path: string,
  token: string,
): Promise<{ response: Response; abort(): void }> {
  const address = parts.server.http.app.server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const controller = new AbortController();
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: controller.signal,
  });
  return { response, abort: () => controller.abort() };
}

/** A short export, read to its end. @returns its status */
async function whole(parts: TestServer, token: string): Promise<number> {
  const { response } = await connect(parts, '/api/audit/export?limit=1', token);
  await response.text();
  return response.status;
}

test('concurrent exports are limited, and an abandoned one makes room', async (t) => {
  const parts = await start(t, { EXPORT_CONCURRENCY: '1' });
  const root = await parts.signIn('admin');
  const slow = await connect(parts, '/api/audit/export?format=csv', root.token);
  t.equal(slow.response.status, 200);
  const refused = await connect(parts, '/api/audit/export', root.token);
  t.equal(refused.response.status, 503);
  t.ok(refused.response.headers.get('retry-after'));
  t.match(await refused.response.json(), { code: 'export_capacity' });
  slow.abort();
  await until(async () => (await whole(parts, root.token)) === 200, {
    timeoutMs: timeBound(5_000),
  });
});

test('an export is cut off when its session, reader or database fails', async (t) => {
  const parts = await start(t, { EXPORT_STALL_MS: '1000' });
  const [root, other] = [await parts.signIn('admin'), await parts.signIn('admin')];
  const ended = await connect(parts, '/api/audit/export?format=csv', other.token);
  await parts.superuser.query(
    'update identity.sessions set revoked_at = now() where user_id = $1',
    [other.id],
  );
  await sleep(1_500);
  await t.rejects(ended.response.text(), 'its session has ended');

  const stalled = await connect(parts, '/api/audit/export?format=csv', root.token);
  await sleep(2_500);
  await t.rejects(stalled.response.text(), 'it took nothing');

  const cut = await connect(parts, '/api/audit/export?format=csv', root.token);
  await parts.superuser.query('alter table audit.sealed rename to gone');
  await t.rejects(cut.response.text(), 'the database fails');
  await parts.superuser.query('alter table audit.gone rename to sealed');
  t.equal(await whole(parts, root.token), 200, 'the service goes on');
});
