import type { Mutant } from './mutant.ts';

const QUERIES = 'services/file/files/file-queries.ts';
const PENDING = 'services/file/cleanup/pending-file-queries.ts';
const PURGE = 'services/file/cleanup/purge-objects.ts';
const ERASE = 'services/file/cleanup/erase-files.ts';
const DOWNLOAD = 'services/file/downloads/send-file.ts';
const BATCHES = 'services/file/object-batches/object-batch-queries.ts';
const BATCHES_TEST = 'services/file/test/object-batches/object-batch-queries.test.ts';
const SWEEP_TEST = 'services/file/test/cleanup/sweep-batches.test.ts';
const OPENED_TEST = 'services/file/test/downloads/opened-object.test.ts';
const PENDING_TEST = 'services/file/test/cleanup/pending-file-queries.test.ts';
const PURGE_TEST = 'services/file/test/cleanup/purge-objects.test.ts';
const ERASE_TEST = 'services/file/test/cleanup/erase-files.test.ts';

/** Uploads that fail, objects that S3 keeps, and erasures. */
export const FILE_MUTANTS: Mutant[] = [
  {
    name: 'upload-of-an-erased-user',
    file: QUERIES,
    find: `
    where not exists (select from shared.erasures where user_id = \${file.userId}::uuid)\``,
    replace: '`',
    tests: [ERASE_TEST],
  },
  {
    name: 'file-made-twice',
    file: QUERIES,
    find: `where id = \${file.id} and status = 'pending'`,
    replace: 'where id = ${file.id}',
    tests: [PENDING_TEST],
  },
  {
    name: 'lost-commit-undone',
    file: PENDING,
    find: `return rows[0]?.status !== 'ready';`,
    replace: 'return true;',
    tests: [PENDING_TEST],
  },
  {
    name: 'live-upload-withdrawn',
    file: PENDING,
    find: 'set updated = now() where id = ${id}',
    replace: 'set updated = updated where id = ${id}',
    tests: [PENDING_TEST],
  },
  {
    name: 'withdrawn-batch-commits',
    file: QUERIES,
    find: `where id = \${batchId} and withdrawn is null for key share`,
    replace: 'where id = ${batchId} for key share',
    tests: [BATCHES_TEST],
  },
  {
    name: 'commit-without-its-batch',
    file: QUERIES,
    find: ' and withdrawn is null for key share)',
    replace: ' and withdrawn is null)',
    tests: [BATCHES_TEST],
  },
  {
    name: 'sweep-removes-files',
    file: BATCHES,
    find: 'not exists (select from files.files where object_key = key)',
    replace: 'true',
    tests: [SWEEP_TEST],
  },
  {
    name: 'batch-swept-early',
    file: BATCHES,
    find: `where withdrawn <= now() - \${lateMs} * interval '1 millisecond'`,
    replace: 'where withdrawn <= now()',
    tests: [SWEEP_TEST],
  },
  {
    name: 'orphan-removed-once',
    file: PURGE,
    find: 'await (isFinal ? deleteOrphan(db, key) : awaitFinalOrphan(db, key, lateMs));',
    replace: 'await deleteOrphan(db, key);',
    tests: [ERASE_TEST],
  },
  {
    name: 'failed-orphan-stays-first',
    file: PURGE,
    find: '      await deferOrphan(db, key);\n',
    replace: '',
    tests: [PURGE_TEST],
  },
  {
    name: 'refused-object-stays-first',
    file: PURGE,
    find: '    await deferDeletedFiles(db, idsOf(refused));\n',
    replace: '',
    tests: [PURGE_TEST],
  },
  {
    name: 'pending-uploads-outlive-an-erasure',
    file: ERASE,
    find: '      await withdrawPendingFilesOfUser(db, userId);\n',
    replace: '',
    tests: [ERASE_TEST],
  },
  {
    name: 'one-batch-erased',
    file: ERASE,
    find: 'while ((await deleteBatch(userId)) === BATCH_SIZE);',
    replace: 'await deleteBatch(userId);',
    tests: [ERASE_TEST],
  },
  {
    name: 'late-upload-outlives-an-erasure',
    file: 'services/file/cleanup/cleanup-loop.ts',
    find: '  for (const userId of await findErasedUsersWithFiles(db)) await erase(userId);\n',
    replace: '',
    tests: [ERASE_TEST],
  },
  {
    name: 'bytes-before-the-event',
    file: 'services/file/downloads/send-file.ts',
    find: `    await recordDownload(context, request, answer);
  } catch`,
    replace: `    void recordDownload(context, request, answer);
  } catch`,
    tests: ['services/file/test/downloads/download-file.test.ts'],
  },
  {
    name: 'stream-left-open',
    file: DOWNLOAD,
    find: 'bytes.destroy();',
    replace: '',
    tests: [OPENED_TEST],
  },
  {
    name: 'purged-during-the-download',
    file: DOWNLOAD,
    find: `if (!found) throw new FileNotFound();
    throw error;`,
    replace: `void found;
    throw error;`,
    tests: [OPENED_TEST],
  },
];
