import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import type { Kysely } from 'kysely';
import { createDatabase } from '@muniment/database';
import { createTestDatabase } from '@muniment/testing';
import {
  claimShards,
  countReadable,
  moveCheckpoint,
  registerShards,
  releaseShard,
  renewLeases,
  reportAlive,
  reportGone,
} from '../../consumer/shard-leases.ts';
import type { Tables } from '../../tables.ts';

async function open(t: Test): Promise<Kysely<Tables>> {
  const database = await createTestDatabase(t);
  const { db } = createDatabase<Tables>({
    url: database.url('audit_service'),
    applicationName: 'test',
  });
  t.teardown(() => db.destroy());
  return db;
}

const STREAM = { name: 'test', created: new Date('2026-01-01T00:00:00Z') };
const shards = (...ids: string[]) => ids.map((id) => ({ id, parents: [] as string[] }));

test('a shard has one owner at a time, and each change of owner raises its epoch', async (t) => {
  const db = await open(t);
  await registerShards(db, { ...STREAM, shards: shards('1', '2', '3') });
  const taken = await Promise.all(
    ['a', 'b', 'c', 'd'].map((owner) => claimShards(db, STREAM, { owner, ttlMs: 5_000, limit: 1 })),
  );
  t.same(
    taken
      .flat()
      .map(({ shardId }) => shardId)
      .toSorted(),
    ['1', '2', '3'],
  );
  t.same(
    taken.flat().map(({ epoch }) => epoch),
    [1, 1, 1],
  );
  t.same(await claimShards(db, STREAM, { owner: 'e', ttlMs: 5_000, limit: 3 }), []);
  const [lease] = taken.flat();
  if (!lease) return t.fail('no lease');
  await releaseShard(db, lease);
  t.match(await claimShards(db, STREAM, { owner: 'e', ttlMs: 5_000, limit: 3 }), [
    { shardId: lease.shardId, epoch: 2 },
  ]);
  await releaseShard(db, lease);
  t.same(
    await claimShards(db, STREAM, { owner: 'f', ttlMs: 5_000, limit: 3 }),
    [],
    'one who lost it cannot give it away',
  );
});

test("a silent owner's shards are free; one that renews keeps them", async (t) => {
  const db = await open(t);
  await registerShards(db, { ...STREAM, shards: shards('1', '2') });
  const [silent] = await claimShards(db, STREAM, { owner: 'silent', ttlMs: 2_000, limit: 1 });
  const [lively] = await claimShards(db, STREAM, { owner: 'lively', ttlMs: 2_000, limit: 1 });
  if (!silent || !lively) return t.fail('no lease');
  t.same(
    await renewLeases(db, [{ lease: lively, read: undefined }], 60_000),
    new Set([lively.shardId]),
  );
  await sleep(2_050);
  t.match(await claimShards(db, STREAM, { owner: 'successor', ttlMs: 60_000, limit: 2 }), [
    { shardId: silent.shardId },
  ]);
  t.same(
    await renewLeases(db, [{ lease: silent, read: undefined }], 60_000),
    new Set(),
    'what is lost is not renewed',
  );
});

test('a child is free only when every parent that is still known has ended', async (t) => {
  const db = await open(t);
  const listed = {
    ...STREAM,
    shards: [...shards('1', '2'), { id: '3', parents: ['1', '2'] }, { id: '4', parents: ['0'] }],
  };
  await registerShards(db, listed);
  t.equal(await countReadable(db, STREAM), 3, 'the parent of 4 is known no longer');
  const leases = await claimShards(db, STREAM, { owner: 'a', ttlMs: 5_000, limit: 10 });
  t.same(leases.map(({ shardId }) => shardId).toSorted(), ['1', '2', '4']);
  for (const [index, parent] of ['1', '2'].entries()) {
    t.same(
      await claimShards(db, STREAM, { owner: 'b', ttlMs: 5_000, limit: 10 }),
      [],
      `${index} of 2 parents ended`,
    );
    const lease = leases.find(({ shardId }) => shardId === parent);
    if (lease)
      await db
        .transaction()
        .execute((trx) =>
          moveCheckpoint(trx, lease, { ttlMs: 5_000, checkpoint: null, isEnded: true }),
        );
  }
  t.match(await claimShards(db, STREAM, { owner: 'b', ttlMs: 5_000, limit: 10 }), [
    { shardId: '3' },
  ]);
});

test('a recreated stream has its own rows, and a stale replica deletes none', async (t) => {
  const db = await open(t);
  const anew = { ...STREAM, created: new Date('2026-01-02T00:00:00Z'), shards: shards('1') };
  await registerShards(db, { ...STREAM, shards: shards('1', '2') });
  const [old] = await claimShards(db, STREAM, { owner: 'a', ttlMs: 5_000, limit: 1 });
  await registerShards(db, anew);
  t.match(
    await db.selectFrom('audit.shards').select(['shard_id', 'epoch', 'checkpoint']).execute(),
    [{ shard_id: '1', epoch: 0, checkpoint: null }],
  );
  t.equal(
    old &&
      (await db
        .transaction()
        .execute((trx) =>
          moveCheckpoint(trx, old, { ttlMs: 5_000, checkpoint: 'x', isEnded: false }),
        )),
    false,
    'a reader of the old one stores nothing',
  );
  await registerShards(db, { ...STREAM, shards: shards('1') });
  await registerShards(db, anew);
  t.match(await db.selectFrom('audit.shards').select('stream_created').execute(), [
    { stream_created: anew.created },
  ]);
});

test('a shard that the stream no longer lists is deleted', async (t) => {
  const db = await open(t);
  await registerShards(db, { ...STREAM, shards: shards('1', '2') });
  const [lease] = await claimShards(db, STREAM, { owner: 'a', ttlMs: 5_000, limit: 1 });
  if (lease)
    await db
      .transaction()
      .execute((trx) =>
        moveCheckpoint(trx, lease, { ttlMs: 5_000, checkpoint: null, isEnded: true }),
      );
  t.same(
    await registerShards(db, { ...STREAM, shards: shards('2', '3') }),
    [],
    'it was read to its end: nothing is lost',
  );
  t.same(
    (await db.selectFrom('audit.shards').select('shard_id').orderBy('shard_id').execute()).map(
      (row) => row.shard_id,
    ),
    ['2', '3'],
  );
  t.same(
    await registerShards(db, { ...STREAM, shards: shards('3') }),
    [{ kind: 'shard_trimmed', shard_id: '2' }],
    'this one was not',
  );
});

test('only consumers that were heard of lately count', async (t) => {
  const db = await open(t);
  t.equal(await reportAlive(db, 'a', 60_000), 1);
  t.equal(await reportAlive(db, 'b', 80), 2);
  await sleep(100);
  t.equal(await reportAlive(db, 'a', 60_000), 1);
  t.equal(await reportAlive(db, 'c', 60_000), 2);
  await reportGone(db, 'c');
  t.equal(await reportAlive(db, 'a', 60_000), 1);
});

test('a parent trimmed before it was read does not block its children', async (t) => {
  const db = await open(t);
  await registerShards(db, { ...STREAM, shards: shards('parent') });
  const children = ['left', 'right'].map((id) => ({ id, parents: ['parent'] }));
  await registerShards(db, { ...STREAM, shards: children });
  t.same(
    (await claimShards(db, STREAM, { owner: 'a', ttlMs: 5_000, limit: 3 }))
      .map(({ shardId }) => shardId)
      .toSorted(),
    ['left', 'right'],
  );
});
