import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { build, type TestServer } from '../build.ts';
import { fillLog } from '../fill-log.ts';
import { naiveCheckpoints } from './naive-checkpoint.ts';

/** A log of 30 MB: more than the sockets between the two hold. */
async function start(t: Test, settings: Record<string, string>): Promise<TestServer> {
  const parts = await build(t, settings);
  await fillLog(parts, 3_000, () => ({
    source: 'app',
    tenant_id: 'acme',
    metadata: { text: 'x'.repeat(10_000) },
  }));
  Object.assign(parts.server.tree, { latestCheckpoint: naiveCheckpoints(parts.db).latest });
  await parts.server.http.app.listen({ port: 0 });
  return parts;
}

/** An export of which the reader takes no more than the head. */
async function beginExport(t: Test, { server }: TestServer, token: string): Promise<Response> {
  const address = server.http.app.server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  return fetch(`http://127.0.0.1:${port}/api/audit/export?format=csv`, {
    headers: { authorization: `Bearer ${token}` },
    signal: controller.signal,
  });
}

async function viewerToken({ server }: TestServer, { token }: { token: string }): Promise<string> {
  const answer = await server.http.app.inject({
    method: 'POST',
    url: '/api/audit/viewer-tokens',
    payload: { tenant_id: 'acme' },
    headers: { authorization: `Bearer ${token}` },
  });
  return answer.json<{ token: string }>().token;
}

test("one customer's slow readers leave places for others", async (t) => {
  const parts = await start(t, { EXPORT_CONCURRENCY: '6' });
  const [root, other] = [await parts.signIn('admin'), await parts.signIn('admin')];
  const slow = [];
  for (let n = 0; n < 8; n += 1) slow.push(await beginExport(t, parts, root.token));
  t.strictSame(
    slow.map(({ status }) => status),
    [200, 200, 429, 429, 429, 429, 429, 429],
  );
  t.match(await slow.at(-1)?.json(), { code: 'too_many_exports' });
  t.match(slow.at(-1)?.headers.get('retry-after'), /^[1-9]/);
  t.equal((await beginExport(t, parts, other.token)).status, 200);
});

test('the viewers of one tenant share its places', async (t) => {
  const parts = await start(t, { EXPORT_MAX_PER_READER: '1', EXPORT_CONCURRENCY: '3' });
  const root = await parts.signIn('admin');
  const [one, two] = [await viewerToken(parts, root), await viewerToken(parts, root)];
  t.equal((await beginExport(t, parts, one)).status, 200);
  t.equal((await beginExport(t, parts, two)).status, 429);
  t.equal((await beginExport(t, parts, root.token)).status, 200);
});

test('while all places are taken, a newcomer gets that of a slow reader', async (t) => {
  const parts = await start(t, { EXPORT_CONCURRENCY: '1' });
  const [root, other] = [await parts.signIn('admin'), await parts.signIn('admin')];
  const slow = await beginExport(t, parts, root.token);
  t.equal((await beginExport(t, parts, other.token)).status, 503, 'not judged at once');
  await sleep(4_000);
  const wanted = { timeoutMs: timeBound(8_000) };
  await until(async () => (await beginExport(t, parts, other.token)).status === 200, wanted);
  await t.rejects(slow.text(), 'it is cut off, so it never looks whole');
});
