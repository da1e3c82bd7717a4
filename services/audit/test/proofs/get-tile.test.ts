import { test } from 'tap';
import { leafHash } from '@muniment/audit-verify';
import { build } from '../build.ts';
import { certify } from '../sealing/certify.ts';
import { inLane, leafHashes, range, readLog, store } from '../sealing/sealed-log.ts';
import { naiveRoot } from './tree/naive-tree.ts';

test('hash tiles are served full and partial, and cached for ever', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const events = inLane(3, range(1, 600));
  await store(parts.db, events);
  await certify(parts);
  const hashes = leafHashes(events);
  for (const [path, wanted] of [
    ['0/000', hashes.slice(0, 256)],
    ['0/001', hashes.slice(256, 512)],
    ['0/002.p/88', hashes.slice(512)],
    ['0/001.p/7', hashes.slice(256, 263)],
    ['1/000.p/2', [naiveRoot(hashes.slice(0, 256)), naiveRoot(hashes.slice(256, 512))]],
  ] as const) {
    const answer = await parts.get(`/api/audit/tile/${path}`, ada);
    t.equal(answer.statusCode, 200, path);
    t.ok(answer.rawPayload.equals(Buffer.concat(wanted)), path);
    t.match(answer.headers, {
      'content-type': 'application/octet-stream',
      'cache-control': /immutable/,
    });
  }
  for (const path of [
    '0/002',
    '0/003',
    '0/002.p/89',
    '1/000',
    '1/000.p/3',
    '2/000.p/1',
    '63/000',
    '0/x999/x999/x999/x999/999',
  ]) {
    const answer = await parts.get(`/api/audit/tile/${path}`, ada);
    t.equal(answer.statusCode, 404, path);
    t.match(answer.json(), { code: 'tile_not_found' }, path);
  }
  for (const path of ['64/000', '-1/000', 'x/000', '00/000'])
    t.equal((await parts.get(`/api/audit/tile/${path}`, ada)).statusCode, 400, path);
  for (const path of ['0/0', '0/000.p/0', '0/000.p/256', '0/../000', '0/', '0/000.p/1/1'])
    t.equal((await parts.get(`/api/audit/tile/${path}`, ada)).statusCode, 404, path);
  t.equal((await parts.get('/api/audit/tile/0/000')).statusCode, 401);
});

test('entry bundles hold the sealed bytes, for administrators, until archived', async (t) => {
  const parts = await build(t);
  const [ada, admin] = [await parts.signIn(), await parts.signIn('admin')];
  await store(parts.db, inLane(3, range(1, 300)));
  await certify(parts);
  t.equal((await parts.get('/api/audit/tile/entries/000', ada)).statusCode, 403);
  const answer = await parts.get('/api/audit/tile/entries/001.p/44', admin);
  t.equal(answer.statusCode, 200, answer.body);
  t.match(answer.headers, {
    'content-type': 'application/octet-stream',
    'cache-control': 'no-store',
  });
  const entries: Buffer[] = [];
  for (let at = 0; at < answer.rawPayload.length;) {
    const length = answer.rawPayload.readUInt16BE(at);
    entries.push(answer.rawPayload.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  const log = await readLog(parts.db);
  t.same(
    entries.map(leafHash),
    log.slice(256).map(({ record }) => leafHash(Buffer.from(record))),
  );
  t.equal((await parts.get('/api/audit/tile/entries/000', admin)).statusCode, 200);
  for (const path of ['001', '001.p/45', '002', 'x', '0/000'])
    t.equal((await parts.get(`/api/audit/tile/entries/${path}`, admin)).statusCode, 404, path);
  await parts.superuser.query('delete from audit.events where seq = 5');
  t.equal((await parts.get('/api/audit/tile/entries/000', admin)).statusCode, 404);
  t.equal((await parts.get('/api/audit/tile/entries/000.p/4', admin)).statusCode, 200);
});
