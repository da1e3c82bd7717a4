import { setTimeout as sleep } from 'node:timers/promises';
import { LeaseLost } from '@muniment/database';
import { test } from 'tap';
import pg from 'pg';
import { createSigner, generateSigningKey, type LogKeys } from '@muniment/audit-key';
import { openCheckpoint, verifyConsistency } from '@muniment/audit-verify';
import { HistoryAltered } from '../../errors.ts';
import { findLatestCheckpoint } from '../../proofs/tree/checkpoint-queries.ts';
import { findHead } from '../../proofs/tree/tree-queries.ts';
import { rootOf } from '../../proofs/tree/grow-tree.ts';
import { sealBatch } from '../../sealing/seal-batch.ts';
import { createTree } from '../../proofs/tree/tree.ts';
import type { Test } from 'tap';
import { inLane, leafHashes, range, sealerLease, store } from './sealed-log.ts';
import { naiveRoot } from '../proofs/tree/naive-tree.ts';
import { newKeys, openCertifiedLog, ORIGIN, type CertifiedLog } from './signer-parts.ts';

async function owner(t: Test, log: CertifiedLog): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: log.database.url('migrator') });
  await client.connect();
  t.teardown(() => client.end());
  return client;
}

test("the head is signed under the log's name, once for each size; an empty log too", async (t) => {
  const log = await openCertifiedLog(t);
  const lease = await sealerLease(log.db);
  const signer = log.signer();
  await signer.verify();
  const empty = await signer.sign(lease);
  t.match(openCheckpoint(empty?.note ?? '', log.keys.verifiers), {
    origin: ORIGIN,
    size: 0,
    root: naiveRoot([]),
  });
  t.equal(await signer.sign(lease), undefined);
  const events = inLane(3, range(1, 300));
  await store(log.db, events);
  await sealBatch(log.db, lease, { limit: 1_000 });
  const signed = await signer.sign(lease);
  t.match(openCheckpoint(signed?.note ?? '', log.keys.verifiers), {
    size: 300,
    root: naiveRoot(leafHashes(events)),
  });
  t.same(await findLatestCheckpoint(log.db), signed);
  t.equal(await signer.sign(lease), undefined);
});

test('whoever is succeeded signs nothing that counts', async (t) => {
  const log = await openCertifiedLog(t);
  const lease = await sealerLease(log.db, 'one', 1);
  await sleep(20);
  await sealerLease(log.db, 'two');
  await t.rejects(log.signer().sign(lease), LeaseLost);
  t.equal(await findLatestCheckpoint(log.db), undefined);
});

test('checkpoints follow from each other', async (t) => {
  const log = await openCertifiedLog(t);
  const lease = await sealerLease(log.db);
  const tree = createTree({ db: log.db });
  let before: { size: number; root: Buffer } | undefined;
  for (const [from, to] of [
    [1, 100],
    [101, 256],
    [257, 700],
  ] as const) {
    await store(log.db, inLane(3, range(from, to)));
    await sealBatch(log.db, lease, { limit: 1_000 });
    // A process of its own each time: what it knows of the past is what is stored.
    const signer = log.signer();
    await signer.verify();
    const signed = await signer.sign(lease);
    if (!signed) throw new Error('nothing was signed');
    if (before) {
      t.ok(
        verifyConsistency({
          oldSize: before.size,
          newSize: signed.size,
          oldRoot: before.root,
          newRoot: signed.root,
          proof: await tree.consistencyProof(before.size, signed.size),
        }),
      );
    }
    before = signed;
  }
});

/** A log of 600 leaves with checkpoints at 300 and 600, which its owner then alters. */
async function altered(
  t: Test,
  alter: (client: pg.Client, log: CertifiedLog) => Promise<unknown>,
): Promise<{ running: () => Promise<unknown>; restarted: () => Promise<unknown> }> {
  const log = await openCertifiedLog(t);
  const lease = await sealerLease(log.db);
  const signer = log.signer();
  await signer.verify();
  for (const [from, to] of [
    [1, 300],
    [301, 600],
  ] as const) {
    await store(log.db, inLane(3, range(from, to)));
    await sealBatch(log.db, lease, { limit: 1_000 });
    await signer.sign(lease);
    const publisher = log.publisher(signer);
    await publisher.publish(new AbortController().signal);
  }
  await alter(await owner(t, log), log);
  return {
    running: async () => {
      await signer.observe();
      await signer.verify();
      await signer.sign(lease);
    },
    async restarted() {
      const fresh = log.signer();
      await fresh.verify();
      await log.publisher(fresh).publish(new AbortController().signal);
      await fresh.sign(lease);
    },
  };
}

const setHead = (client: pg.Client, size: number, edge: Buffer): Promise<unknown> =>
  client.query('update audit.tree set size = $1, edge = $2', [size, edge]);

for (const [what, alter] of Object.entries({
  'the head set back': (client: pg.Client) => setHead(client, 0, Buffer.alloc(0)),
  'the head set back, with the checkpoints that it contradicts': async (client: pg.Client) => {
    await client.query('delete from audit.checkpoints');
    await setHead(client, 0, Buffer.alloc(0));
  },
  'a hash of the right edge': async (client: pg.Client) =>
    client.query('update audit.tree set edge = set_byte(edge, 40, get_byte(edge, 40) # 1)'),
  'the newest checkpoint gone, and leaves after the one before it': async (
    client: pg.Client,
    log: CertifiedLog,
  ) => {
    await client.query('delete from audit.checkpoints where size = 600');
    const { edge } = await findHead(log.db);
    await client.query('update audit.tree set size = 599, edge = $1', [
      Buffer.concat([...(edge[0] ?? []).slice(0, -1), ...(edge[1] ?? [])]),
    ]);
  },
})) {
  test(`${what}: refused by who saw it, and by who starts anew`, async (t) => {
    const { running, restarted } = await altered(t, alter);
    await t.rejects(running(), HistoryAltered);
    await t.rejects(restarted(), HistoryAltered);
  });
}

test("the whole history made anew with a key of the owner's own: refused", async (t) => {
  const forger = newKeys();
  const { running, restarted } = await altered(t, async (client, log) => {
    const root = rootOf({ size: 1, edge: [[Buffer.alloc(32, 7)]] });
    await client.query('delete from audit.checkpoints');
    await client.query('update audit.tree set size = 1, edge = $1', [Buffer.alloc(32, 7)]);
    await log.signer(forger).sign(await sealerLease(log.db));
    t.ok((await findLatestCheckpoint(log.db))?.root.equals(root));
  });
  await t.rejects(running(), HistoryAltered);
  await t.rejects(restarted(), HistoryAltered);
});

test('history made anew behind checkpoints that are no more: the bucket knows', async (t) => {
  const { restarted } = await altered(t, async (client) => {
    // A database owner's best forgery: a shorter, consistent log without its newest checkpoint.
    await client.query('delete from audit.checkpoints');
    await setHead(client, 1, Buffer.alloc(32, 7));
  });
  await t.rejects(restarted(), /the tree has 1 leaves, and 600 were signed/);
});

test('checkpoints count by current and past keys, and by no other', async (t) => {
  const log = await openCertifiedLog(t);
  const lease = await sealerLease(log.db);
  await log.signer().sign(lease);
  await store(log.db, inLane(3, range(1, 10)));
  await sealBatch(log.db, lease, { limit: 100 });
  const next = createSigner(generateSigningKey(ORIGIN).signingKey);
  await t.rejects(
    log.signer({ signers: [next], verifiers: [next.verifier] }).verify(),
    HistoryAltered,
  );
  const rotated: LogKeys = { signers: [next], verifiers: [next.verifier, ...log.keys.verifiers] };
  const signer = log.signer(rotated);
  await signer.verify();
  const signed = await signer.sign(lease);
  t.match(openCheckpoint(signed?.note ?? '', [next.verifier]), { size: 10 });
  t.throws(() => openCheckpoint(signed?.note ?? '', log.keys.verifiers), {
    code: 'note_unverified',
  });
});

test('in an overlap both keys sign, and either opens', async (t) => {
  const log = await openCertifiedLog(t);
  const [one, two] = [newKeys(), newKeys()];
  const both: LogKeys = {
    signers: [...one.signers, ...two.signers],
    verifiers: [...one.verifiers, ...two.verifiers],
  };
  const signed = await log.signer(both).sign(await sealerLease(log.db));
  for (const { verifiers } of [one, two])
    t.match(openCheckpoint(signed?.note ?? '', verifiers), { size: 0 });
});

for (const [what, change] of [
  ['root', "root = decode(repeat('09', 32), 'hex')"],
  ['size', 'size = size - 1'],
] as const)
  test(`a stored ${what} that its own signed note contradicts is an altered history`, async (t) => {
    const log = await openCertifiedLog(t);
    const lease = await sealerLease(log.db);
    await store(log.db, inLane(3, range(1, 10)));
    await sealBatch(log.db, lease, { limit: 100 });
    await log.signer().sign(lease);
    const client = await owner(t, log);
    await client.query(`update audit.checkpoints set ${change} where size = 10`);
    const expected = { message: /note of the checkpoint/ };
    await t.rejects(log.signer().observe(), expected);
    await t.rejects(log.signer().verify(), expected);
  });
