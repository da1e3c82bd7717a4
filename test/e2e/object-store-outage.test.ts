import { randomBytes } from 'node:crypto';
import { test, type Test } from 'tap';
import { freePort, startFaultProxy } from '@muniment/cluster';
import { timeBound, until } from '@muniment/testing';
import { startFleet } from './fleet.ts';
import { isProblem } from './problems.ts';
import { openDatabase, storedObjects, trailGaps } from './stores.ts';

const MIB = 1024 ** 2;

test('without the object store only uploads and downloads are refused', async (t) => {
  const s3Port = await freePort();
  const proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: s3Port } });
  t.teardown(() => proxy.stop());
  const fleet = await startFleet(t, {
    DURABLE: 'off',
    REPLICAS: '1',
    S3_PORT: String(s3Port),
    PROXY_S3_PORT: String(proxy.port),
    S3_REQUEST_TIMEOUT_MS: '2000',
  });
  const rows = await openDatabase(t, fleet);
  const { token } = await fleet.signUp();
  const idOf = async (answer: Response): Promise<string> =>
    ((await answer.json()) as { id: string }).id;
  const bytes = randomBytes(6 * MIB);
  const kept = await idOf(await fleet.upload(token, 'kept.bin', bytes));
  const doomed = [
    await idOf(await fleet.upload(token, 'doomed-1.txt', 'bytes')),
    await idOf(await fleet.upload(token, 'doomed-2.txt', 'bytes')),
  ];
  const replicas = (await fleet.describe()).processes.filter(({ service }) => service === 'file');

  async function uploadsAreRefused(t: Test): Promise<void> {
    const started = performance.now();
    await Promise.all(
      [0, 10, 100_000, 6 * MIB, 12 * MIB].map(async (size) =>
        isProblem(
          t,
          await fleet.upload(token, 'refused.bin', Buffer.alloc(size)),
          503,
          'dependency_unavailable',
          `an upload of ${size} bytes`,
        ),
      ),
    );
    const took = Math.round(performance.now() - started);
    t.ok(took < timeBound(8_000), `all are told soon: ${took} ms`);
    t.strictSame(
      await rows(
        `select name, status from files.files
         where name = 'refused.bin' and status in ('pending', 'ready')`,
      ),
      [],
      'no row of them is left',
    );
  }

  async function othersWork(t: Test): Promise<void> {
    const started = performance.now();
    for (const path of [
      '/api/users/me',
      '/api/files',
      `/api/files/${kept}/metadata`,
      '/api/audit/logs',
    ])
      t.equal((await fleet.call('GET', path, { token })).status, 200, path);
    t.equal(
      (await fleet.call('HEAD', `/api/files/${kept}`, { token })).status,
      200,
      'HEAD of a file',
    );
    t.equal(
      (await fleet.call('PATCH', `/api/files/${kept}`, { token, json: { name: 'renamed.bin' } }))
        .status,
      200,
      'a file gets another name',
    );
    const id = doomed.shift() ?? '';
    t.equal(
      (await fleet.call('DELETE', `/api/files/${id}`, { token })).status,
      204,
      'a file is deleted',
    );
    await isProblem(
      t,
      await fleet.call('GET', `/api/files/${id}`, { token }),
      404,
      'file_not_found',
      'and gone',
    );
    t.ok(performance.now() - started < timeBound(3_000), 'as fast as ever');
    for (const { name, port } of replicas) {
      const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
      t.equal(answer.status, 200, `${name} stays ready`);
      t.match(
        await answer.json(),
        { dependencies: { s3: { status: 'down' } } },
        `${name} names the object store`,
      );
    }
  }

  await t.test('it refuses connections', async (t) => {
    proxy.mode('refuse');
    await uploadsAreRefused(t);
    await isProblem(
      t,
      await fleet.call('GET', `/api/files/${kept}`, { token }),
      503,
      'object_store_unavailable',
      'a download',
    );
    await othersWork(t);
  });

  await t.test('it says nothing', async (t) => {
    proxy.mode('pass');
    const warm = await idOf(await fleet.upload(token, 'warm.txt', 'between'));
    t.ok(warm, 'uploads work again without a restart');
    proxy.mode('blackhole');
    const download = fleet.call('GET', `/api/files/${kept}`, { token });
    await uploadsAreRefused(t);
    await othersWork(t);
    proxy.mode('pass');
    const answer = await download;
    t.equal(answer.status, 200, 'a download waits for it');
    t.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes));
    t.equal((await fleet.call('DELETE', `/api/files/${warm}`, { token })).status, 204);
  });

  const after = await until(
    async () => {
      const answer = await fleet.upload(token, 'after.txt', 'bytes');
      return answer.status === 201 && idOf(answer);
    },
    { what: 'uploads work again', timeoutMs: timeBound(5_000) },
  );
  await until(
    async () => {
      const { objects, uploads } = await storedObjects(fleet);
      return objects.length === 2 && uploads.length === 0;
    },
    { what: 'nothing is stored but what is listed' },
  ).catch(async (error: unknown) => {
    throw new Error(
      JSON.stringify([
        await storedObjects(fleet),
        await rows('select name, status, object_key from files.files'),
      ]),
      { cause: error },
    );
  });
  t.strictSame(
    (
      await rows<{ id: string }>(`select id from files.files where status <> 'purged' order by id`)
    ).map(({ id }) => id),
    [kept, after],
    'no row is left of what failed',
  );
  await until(async () => (await trailGaps(rows)).length === 0, { what: 'the trail is complete' });
  t.strictSame(
    (await fleet.trail(token)).filter(({ action }) => action === 'FILE_UPLOAD').length,
    5,
    'an event for each upload that was taken',
  );
  t.strictSame(
    await rows(`select count(*)::int as deletions from audit.events where action = 'FILE_DELETE'`),
    [{ deletions: 3 }],
  );
});
