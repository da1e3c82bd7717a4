import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { Value } from 'typebox/value';
import {
  leafHash,
  openCheckpoint,
  parseVerifierKey,
  verifyInclusion,
} from '@muniment/audit-verify';
import { build, eventsOf, storeEvents, type Caller, type TestServer } from '../build.ts';
import { certify } from '../sealing/certify.ts';

interface Proof {
  checkpoint: string;
  index: number;
  tree_size: number;
  hashes: string[];
  leaf: string | null;
}

const proofOf = (parts: TestServer, id: string, caller: Caller) =>
  parts.get(`/api/audit/logs/${id}/proof`, caller);

function holds(
  parts: TestServer,
  proof: Proof,
  leaf = leafHash(Buffer.from(proof.leaf ?? '', 'base64')),
): boolean {
  const { size, root } = openCheckpoint(proof.checkpoint, [
    parseVerifierKey(parts.auditKey.verifierKey),
  ]);
  return (
    size === proof.tree_size &&
    verifyInclusion({
      index: proof.index,
      size,
      leafHash: leaf,
      proof: proof.hashes.map((hash) => Buffer.from(hash, 'base64')),
      root,
    })
  );
}

test('an entry is proven by its bytes, a path and a signed note', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const ids = await storeEvents(
    parts,
    Array.from({ length: 11 }, () => eventsOf(ada)),
  );
  await certify(parts);
  for (const id of ids) {
    const answer = await proofOf(parts, id, ada);
    t.equal(answer.statusCode, 200, answer.body);
    const proof = answer.json<Proof>();
    t.same(Object.keys(proof), ['checkpoint', 'index', 'tree_size', 'hashes', 'leaf']);
    t.ok(holds(parts, proof), id);
    t.match(JSON.parse(Buffer.from(proof.leaf ?? '', 'base64').toString()), {
      id,
      user_id: ada.id,
    });
    t.notMatch(
      Buffer.from(proof.leaf ?? '', 'base64').toString(),
      /ada@example\.com|192\.0\.2\.7/,
      'no personal value',
    );
  }
});

test("another's, an unsealed and an absent entry get the same answer", async (t) => {
  const parts = await build(t);
  const [ada, eve] = [await parts.signIn(), await parts.signIn()];
  const [sealed] = await storeEvents(parts, [eventsOf(ada)]);
  await certify(parts);
  const [unsealed] = await storeEvents(parts, [eventsOf(ada)], { seal: false });
  const answers = [
    await proofOf(parts, sealed ?? '', eve),
    await proofOf(parts, unsealed ?? '', ada),
    await proofOf(parts, randomUUID(), ada),
  ];
  for (const answer of answers) {
    t.equal(answer.statusCode, 404);
    t.match(answer.json(), { code: 'audit_log_not_found' });
  }
  for (const id of ['x', '%00', '1 or 1=1'])
    t.equal((await proofOf(parts, encodeURIComponent(id), ada)).statusCode, 400, id);
  t.equal((await parts.get(`/api/audit/logs/${sealed}/proof`)).statusCode, 401);
});

test('a new entry waits for a checkpoint; without one it is a 503 with Retry-After', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const [first] = await storeEvents(parts, [eventsOf(ada)]);
  await certify(parts);
  const [second] = await storeEvents(parts, [eventsOf(ada)]);
  await certify(parts, { sign: false });
  t.equal((await proofOf(parts, first ?? '', ada)).statusCode, 200);
  const pending = await proofOf(parts, second ?? '', ada);
  t.equal(pending.statusCode, 503);
  t.match(pending.json(), { code: 'checkpoint_pending' });
  t.ok(Number(pending.headers['retry-after']) >= 1);
  const waiting = proofOf(parts, second ?? '', ada);
  setTimeout(() => void certify(parts), 300);
  const answer = await waiting;
  t.equal(answer.statusCode, 200);
  t.ok(holds(parts, answer.json()));
});

test("an administrator's proof is an event, and also works for an archived month", async (t) => {
  const parts = await build(t);
  const [ada, admin] = [await parts.signIn(), await parts.signIn('admin')];
  const [id] = await storeEvents(parts, [eventsOf(ada)]);
  await certify(parts);
  const before = (await proofOf(parts, id ?? '', admin)).json<Proof>();
  t.ok(holds(parts, before));
  const { rows } = await parts.superuser.query<{ event: { action: string; resource: string } }>(
    'select (head || \',"seq":0,\' || tail)::json as event from audit.outbox',
  );
  t.match(
    rows.map(({ event }) => event),
    [{ action: 'AUDIT_READ', resource: id }],
  );
  await parts.superuser.query('delete from audit.events');
  const after = await proofOf(parts, id ?? '', admin);
  t.equal(after.statusCode, 200, after.body);
  t.same(after.json(), { ...before, leaf: null });
  t.ok(holds(parts, after.json(), leafHash(Buffer.from(before.leaf ?? '', 'base64'))));
  t.equal(
    (await proofOf(parts, id ?? '', ada)).statusCode,
    404,
    'whose it was is not known any more',
  );
});

test('a proof has the documented shape', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const [id] = await storeEvents(parts, [eventsOf(ada)]);
  await certify(parts);
  const proof = (await proofOf(parts, id ?? '', ada)).json<Proof>();
  t.ok(
    Value.Check(
      { type: 'array', items: { type: 'string', pattern: '^[A-Za-z0-9+/]{43}=$' } } as never,
      proof.hashes,
    ),
  );
  t.match(proof, { index: 0, tree_size: 1, hashes: [] });
});
