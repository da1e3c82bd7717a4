import { test, type Test } from 'tap';
import { createSigner, generateSigningKey, signNote } from '@muniment/audit-key';
import { formatCheckpoint } from '@muniment/audit-verify';
import { LeaseLost, type Lease } from '@muniment/database';
import { connectSuperuser } from '@muniment/testing';
import { HistoryAltered } from '../../errors.ts';
import { findHead } from '../../proofs/tree/tree-queries.ts';
import type { CheckpointSigner } from '../../sealing/checkpoint-signer.ts';
import { sealBatch } from '../../sealing/seal-batch.ts';
import { inLane, range, sealerLease, store } from './sealed-log.ts';
import { openCertifiedLog, ORIGIN, type CertifiedLog } from './signer-parts.ts';

// The checks overlap, so that one of them left out is hidden by the next. Here each stands alone.

interface SignedLog extends CertifiedLog {
  lease: Lease;
  /** Signed the checkpoints of 5 and of 10 leaves. */
  seen: CheckpointSigner;
}

async function openSignedLog(t: Test): Promise<SignedLog> {
  const log = await openCertifiedLog(t);
  const lease = await sealerLease(log.db);
  const seen = log.signer();
  for (const [from, to] of [
    [1, 5],
    [6, 10],
  ] as const) {
    await store(log.db, inLane(3, range(from, to)));
    await sealBatch(log.db, lease, { limit: 100 });
    await seen.sign(lease);
  }
  return { ...log, lease, seen };
}

/** Another history of the same size. */
async function alterTree({ db }: SignedLog): Promise<void> {
  const { edge } = await db.selectFrom('audit.tree').select('edge').executeTakeFirstOrThrow();
  await db
    .updateTable('audit.tree')
    .set({ edge: Buffer.alloc(edge.length, 9) })
    .execute();
}

const sizes = async ({ db }: SignedLog): Promise<number[]> => {
  const rows = await db.selectFrom('audit.checkpoints').select('size').orderBy('size').execute();
  return rows.map(({ size }) => size);
};

const forge = ({ keys }: SignedLog, size: number, root: Buffer) =>
  signNote(formatCheckpoint({ origin: ORIGIN, size, root }), keys.signers);

test('a checkpoint that is gone is noticed also when an older one is there', async (t) => {
  const log = await openSignedLog(t);
  const superuser = await connectSuperuser(t, log.database);
  await superuser.query('delete from audit.checkpoints where size = 10');
  await t.rejects(log.seen.observe(), { message: /of 10 leaves that was signed is gone/ });
  await t.rejects(log.seen.verify(), { message: /of 10 leaves that was signed is gone/ });
});

test('a second checkpoint of a size seen before is an altered history', async (t) => {
  const log = await openSignedLog(t);
  const superuser = await connectSuperuser(t, log.database);
  const root = Buffer.alloc(32, 7);
  await superuser.query('update audit.checkpoints set root = $1, note = $2 where size = 10', [
    root,
    await forge(log, 10, root),
  ]);
  await t.rejects(log.seen.observe(), { message: /two checkpoints of 10 leaves/ });
});

test('a newer checkpoint must follow from the one seen before', async (t) => {
  const log = await openSignedLog(t);
  await alterTree(log);
  await store(log.db, inLane(4, [1]));
  await sealBatch(log.db, log.lease, { limit: 100 });
  await log.signer().sign(log.lease);
  t.same(await sizes(log), [5, 10, 11]);
  await t.rejects(log.seen.verify(), HistoryAltered);
});

test('a fresh process compares the tree with the stored checkpoint', async (t) => {
  const log = await openSignedLog(t);
  await log.signer().verify();
  await alterTree(log);
  await t.rejects(log.signer().verify(), HistoryAltered);
});

test('a tree that changed since it was verified is not signed', async (t) => {
  const log = await openSignedLog(t);
  await alterTree(log);
  await store(log.db, inLane(4, [1]));
  await sealBatch(log.db, log.lease, { limit: 100 });
  await t.rejects(log.seen.sign(log.lease), HistoryAltered);
  t.same(await sizes(log), [5, 10]);
});

test('a size that another process signed is not signed again', async (t) => {
  const log = await openSignedLog(t);
  await t.rejects(log.signer().sign(log.lease), LeaseLost);
  t.same(await sizes(log), [5, 10]);
});

test('what fails before the commit leaves no checkpoint and no memory of one', async (t) => {
  const log = await openSignedLog(t);
  await store(log.db, inLane(4, [1]));
  await sealBatch(log.db, log.lease, { limit: 100 });
  const beforeCommit = (): void => {
    throw new Error('an alarm');
  };
  await t.rejects(log.seen.sign(log.lease, beforeCommit), /an alarm/);
  t.same(await sizes(log), [5, 10]);
  t.match(await log.seen.sign(log.lease), { size: 11 });
});

test('a note of a trusted key that speaks for another log is not ours', async (t) => {
  const log = await openSignedLog(t);
  const { root } = (await log.seen.observe()) ?? { root: Buffer.alloc(0) };
  t.equal(await log.seen.compare(await forge(log, 10, root)), 10);
  const other = createSigner(generateSigningKey('example.com/other').signingKey);
  const both = log.signer({
    signers: log.keys.signers,
    verifiers: [...log.keys.verifiers, other.verifier],
  });
  const note = await signNote(formatCheckpoint({ origin: 'example.com/other', size: 10, root }), [
    other,
  ]);
  const expected = { message: 'a checkpoint is of the log example.com/other' };
  await t.rejects(both.compare(note), expected);
});

test('a note of more leaves than the tree has, or of another tree, is refused', async (t) => {
  const log = await openSignedLog(t);
  t.equal((await findHead(log.db)).size, 10);
  const longer = await forge(log, 11, Buffer.alloc(32, 1));
  await t.rejects(log.seen.compare(longer), { message: /the tree has 10 leaves, and 11/ });
  for (const size of [5, 7, 10])
    await t.rejects(log.seen.compare(await forge(log, size, Buffer.alloc(32, 1))), {
      message: new RegExp(`does not begin with the ${size} `),
    });
});
