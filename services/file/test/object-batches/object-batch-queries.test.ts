import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { insertFailedFile, withdrawPendingFile } from '../../cleanup/pending-file-queries.ts';
import { findReadyFiles, insertReadyFile } from '../../files/file-queries.ts';
import {
  findWithdrawnBatches,
  insertObjectBatch,
  touchObjectBatch,
  withdrawAbandonedBatches,
} from '../../object-batches/object-batch-queries.ts';
import { build, type Fixture } from '../build.ts';

/** A batch, and a file of it that is about to commit. */
async function begin({ files, signIn }: Pick<Fixture, 'files' | 'signIn'>) {
  const { db } = files.data;
  const [batchId, user] = [randomUUID(), await signIn()];
  await insertObjectBatch(db, batchId);
  const file = {
    id: randomUUID(),
    userId: user.id,
    name: 'x',
    objectKey: `${batchId}.x`,
    created: new Date(),
    size: 1,
    mimeType: 'text/plain',
    sha256: 'x',
    etag: '"x"',
    objectVersion: null,
  };
  return { db, batchId, file };
}

test('no upload of a withdrawn batch can commit', async (t) => {
  const { db, batchId, file } = await begin(await build(t));
  t.equal(await withdrawAbandonedBatches(db, 60_000), 0, 'it is alive');
  t.equal(await withdrawAbandonedBatches(db, 0), 1);
  t.equal(await touchObjectBatch(db, batchId), false);
  const insert = () => db.transaction().execute((trx) => insertReadyFile(trx, file, batchId));
  t.equal(await insert(), undefined);
  t.strictSame(await findWithdrawnBatches(db, { lateMs: 60_000, limit: 9 }), []);
  t.strictSame(await findWithdrawnBatches(db, { lateMs: 0, limit: 9 }), [batchId]);
});

test('a batch is not withdrawn while one of its uploads commits', async (t) => {
  const { db, batchId, file } = await begin(await build(t));
  await db.transaction().execute(async (trx) => {
    t.ok(await insertReadyFile(trx, file, batchId));
    t.equal(await withdrawAbandonedBatches(db, 0), 0);
    t.equal(await touchObjectBatch(db, batchId), true, 'nor does its heartbeat wait');
  });
  t.equal(await withdrawAbandonedBatches(db, 0), 1);
});

test('a failed upload whose commit is in progress is not withdrawn', async (t) => {
  const { db, batchId, file } = await begin(await build(t));
  const withdraw = async () => {
    await insertFailedFile(db, file);
    return withdrawPendingFile(db, file.id);
  };
  const { withdrawn } = await db.transaction().execute(async (trx) => {
    await insertReadyFile(trx, file, batchId);
    return { withdrawn: withdraw() };
  });
  t.equal(await withdrawn, false);
  t.ok((await findReadyFiles(db, [file]))[0]);
});

test("an erased user's upload does not become a file", async (t) => {
  const fixture = await build(t);
  const { db, batchId, file } = await begin(fixture);
  await fixture.query('insert into shared.erasures (user_id) values ($1)', [file.userId]);
  const insert = () => db.transaction().execute((trx) => insertReadyFile(trx, file, batchId));
  t.equal(await insert(), undefined);
});
