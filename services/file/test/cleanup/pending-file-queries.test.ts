import { test } from 'tap';
import { findReadyFiles, insertPendingFile, markFileReady } from '../../files/file-queries.ts';
import { findOrphans } from '../../cleanup/orphan-queries.ts';
import {
  touchPendingFile,
  withdrawAbandonedFiles,
  withdrawPendingFile,
} from '../../cleanup/pending-file-queries.ts';
import { build } from '../build.ts';

const ID = '01900000-0000-7000-8000-000000000001';

test('a withdrawn upload cannot become ready', async (t) => {
  const {
    files: {
      data: { db },
    },
    signIn,
  } = await build(t);
  const user = await signIn();
  t.ok(
    await insertPendingFile(db, {
      id: ID,
      userId: user.id,
      name: 'x',
      objectKey: 'k',
      created: new Date(),
    }),
  );
  t.equal(await withdrawPendingFile(db, ID), true);
  t.strictSame(
    (await findOrphans(db, { limit: 10, lateMs: 0 })).map(({ object_key: key }) => key),
    ['k'],
  );
  const late = {
    id: ID,
    size: 1,
    mimeType: 'text/plain',
    sha256: 'x',
    etag: '"x"',
    objectVersion: null,
  };
  t.equal(await db.transaction().execute((trx) => markFileReady(trx, late)), undefined);
  t.equal(await withdrawPendingFile(db, ID), true, 'again is no error');
});

test('a file is not withdrawn once its commit took place', async (t) => {
  const {
    files: {
      data: { db },
    },
    signIn,
  } = await build(t);
  const user = await signIn();
  await insertPendingFile(db, {
    id: ID,
    userId: user.id,
    name: 'x',
    objectKey: 'k',
    created: new Date(),
  });
  let withdrawal: Promise<boolean> | undefined;
  await db.transaction().execute(async (trx) => {
    await markFileReady(trx, {
      id: ID,
      size: 1,
      mimeType: 'text/plain',
      sha256: 'x',
      etag: '"x"',
      objectVersion: null,
    });
    withdrawal = withdrawPendingFile(db, ID);
    // Its snapshot shows the row as pending.
    await new Promise((resolve) => setTimeout(resolve, 300));
  });
  t.equal(await withdrawal, false);
  const again = { id: ID, size: 2, mimeType: 'x', sha256: 'y', etag: '"y"', objectVersion: null };
  t.equal(
    await db.transaction().execute((trx) => markFileReady(trx, again)),
    undefined,
    'a file is made once',
  );
  t.ok((await findReadyFiles(db, [{ userId: user.id, id: ID }]))[0]);
  t.strictSame(
    (await findOrphans(db, { limit: 10, lateMs: 0 })).map(({ object_key: key }) => key),
    [],
  );
});

test('only uploads that have been silent for long are abandoned', async (t) => {
  const {
    files: {
      data: { db },
    },
    signIn,
    query,
  } = await build(t);
  const user = await signIn();
  for (const n of [1, 2])
    await insertPendingFile(db, {
      id: ID.replace(/1$/, String(n)),
      userId: user.id,
      name: 'x',
      objectKey: `k${n}`,
      created: new Date(),
    });
  await query(`update files.files set updated = now() - interval '61 seconds'`);
  await touchPendingFile(db, ID.replace(/1$/, '2'));
  t.equal(await withdrawAbandonedFiles(db, 60_000, 10), 1);
  t.strictSame(
    (await findOrphans(db, { limit: 10, lateMs: 0 })).map(({ object_key: key }) => key),
    ['k1'],
  );
});
