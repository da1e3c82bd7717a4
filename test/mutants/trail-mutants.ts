import type { Mutant } from './mutant.ts';

const OUTBOX = 'packages/audit-events/src/outbox.ts';
const ROUNDS = 'packages/audit-events/src/relay/relay-rounds.ts';
const UNSTORED = 'packages/audit-events/src/relay/unstored-rows.ts';
const ARCHIVE = 'services/audit/retention/verify-archive.ts';
const PURGE = 'services/file/cleanup/purge-objects.ts';

const OUTBOX_TEST = 'packages/audit-events/test/outbox.test.ts';
const BOUNDS_TEST = 'packages/audit-events/test/relay-bounds.test.ts';
const RESTORE_TEST = 'services/audit/test/retention/restore.test.ts';
const PURGE_TEST = 'services/file/test/cleanup/purge-objects.test.ts';

/** The outbox and its relay, archives, and what the cleanup claims to have removed. */
export const TRAIL_MUTANTS: Mutant[] = [
  {
    name: 'claimed-without-row-locks',
    file: OUTBOX,
    find: 'order by position limit ${limit} for update\n      ), numbered',
    replace: 'order by position limit ${limit}\n      ), numbered',
    tests: [OUTBOX_TEST],
  },
  {
    name: 'other-source-deletes',
    file: OUTBOX,
    find: 'where w.source = ${source} and w.lane = o.lane and o.seq <= w.watermark',
    replace: 'where w.lane = o.lane and o.seq <= w.watermark',
    tests: [OUTBOX_TEST],
  },
  {
    name: 'two-rows-with-one-number',
    file: 'packages/audit-events/migrations/0001_outbox_and_subject_keys.ts',
    find: 'create unique index outbox_claimed',
    replace: 'create index outbox_claimed',
    tests: [OUTBOX_TEST],
  },
  {
    name: 'full-lane-claimed',
    file: ROUNDS,
    find: 'const fullLanes = unstored.fullLanes();',
    replace: 'const fullLanes: number[] = [];',
    tests: [BOUNDS_TEST],
  },
  {
    name: 'stored-rows-still-count',
    file: ROUNDS,
    find: 'unstored.subtract(await deleteStored(db, schema, source));',
    replace: 'await deleteStored(db, schema, source);',
    tests: [BOUNDS_TEST],
  },
  {
    name: 'full-lane-stops-all',
    file: UNSTORED,
    find: '.filter(([, rows]) => rows >= maxPerLane)',
    replace: '.filter(() => [...counts.values()].some((rows) => rows >= maxPerLane))',
    tests: [BOUNDS_TEST],
  },
  {
    name: 'archive-not-compared',
    file: ARCHIVE,
    find: `  if (bytes !== archive.bytes || !sha256.equals(archive.sha256))
    refuse('it is not the object that was written');
`,
    replace: '',
    tests: [RESTORE_TEST],
  },
  {
    name: 'archive-digest-not-compared',
    file: ARCHIVE,
    find: 'bytes !== archive.bytes || !sha256.equals(archive.sha256)',
    replace: 'bytes !== archive.bytes && !sha256.equals(archive.sha256)',
    tests: [RESTORE_TEST],
  },
  {
    name: 'refused-called-purged',
    file: PURGE,
    find: 'idsOf(files.filter((file) => !isRefused(file)))',
    replace: 'idsOf(files)',
    tests: [PURGE_TEST],
  },
];
