import { test } from 'tap';
import { openCheckpoint, parseVerifierKey, verifyConsistency } from '@muniment/audit-verify';
import { build, eventsOf, storeEvents } from '../build.ts';
import { certify } from '../sealing/certify.ts';

test('the newest checkpoint is answered as a text note that the pinned key verifies', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const none = await parts.get('/api/audit/checkpoint', ada);
  t.equal(none.statusCode, 503);
  t.match(none.json(), { code: 'checkpoint_pending' });
  await storeEvents(parts, [eventsOf(ada), eventsOf(ada)]);
  await certify(parts);
  const answer = await parts.get('/api/audit/checkpoint', ada);
  t.equal(answer.statusCode, 200);
  t.match(answer.headers, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
  });
  t.match(openCheckpoint(answer.body, [parseVerifierKey(parts.auditKey.verifierKey)]), {
    origin: 'muniment.local/audit',
    size: 2,
  });
  t.equal((await parts.get('/api/audit/checkpoint')).statusCode, 401);
});

test('two checkpoints are proven to be of one log; the newest is the default', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const sizes = [3, 5, 9];
  let stored = 0;
  for (const size of sizes) {
    await storeEvents(
      parts,
      Array.from({ length: size - stored }, () => eventsOf(ada)),
    );
    await certify(parts);
    stored = size;
  }
  for (const [from, to] of [
    [3, 5],
    [3, 9],
    [5, undefined],
    [9, 9],
  ] as const) {
    const answer = await parts.get(
      `/api/audit/consistency?from=${from}${to === undefined ? '' : `&to=${to}`}`,
      ada,
    );
    t.equal(answer.statusCode, 200, answer.body);
    const proof = answer.json<{ old: string; new: string; hashes: string[] }>();
    const [older, newer] = [proof.old, proof.new].map((note) =>
      openCheckpoint(note, [parseVerifierKey(parts.auditKey.verifierKey)]),
    );
    if (!older || !newer) throw new Error('two notes');
    t.same([older.size, newer.size], [from, to ?? 9]);
    t.ok(
      verifyConsistency({
        oldSize: older.size,
        newSize: newer.size,
        oldRoot: older.root,
        newRoot: newer.root,
        proof: proof.hashes.map((hash) => Buffer.from(hash, 'base64')),
      }),
    );
  }
  for (const [query, status, code] of [
    ['from=4', 404, 'checkpoint_not_found'],
    ['from=3&to=4', 404, 'checkpoint_not_found'],
    ['from=3&to=1000000000', 404, 'checkpoint_not_found'],
    ['from=9&to=3', 400, 'sizes_reversed'],
    ['from=0', 400, 'validation_failed'],
    ['from=-1', 400, 'validation_failed'],
    ['', 400, 'validation_failed'],
    ['to=3', 400, 'validation_failed'],
    ['from=x', 400, 'validation_failed'],
    ['from=1e300', 400, 'validation_failed'],
    ['from=3.5', 400, 'validation_failed'],
    ['from=99999999999999999999', 400, 'validation_failed'],
    ['from=3&to=5&x=1', 400, 'validation_failed'],
  ] as const) {
    const answer = await parts.get(`/api/audit/consistency?${query}`, ada);
    t.equal(answer.statusCode, status, query);
    t.match(answer.json(), { code }, query);
  }
});
