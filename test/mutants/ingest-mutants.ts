import type { Mutant } from './mutant.ts';

const STORE = 'services/audit/event-store/store-events.ts';
const LEASES = 'services/audit/consumer/shard-leases.ts';
const PLACE = 'services/audit/quarantine/place-event.ts';
const STORE_TEST = 'services/audit/test/consumer/store-batch.test.ts';
const LEASES_TEST = 'services/audit/test/consumer/shard-leases.test.ts';
const QUARANTINE_TEST = 'services/audit/test/quarantine/quarantine.test.ts';

/** From the stream to the log: shards, batches, contradictions and the quarantine. */
export const INGEST_MUTANTS: Mutant[] = [
  {
    name: 'end-lost-by-a-refusal',
    file: 'services/audit/consumer/store-batch.ts',
    find: '{ ...batch, records: records.slice(half) }',
    replace: '{ records: records.slice(half) }',
    tests: [STORE_TEST],
  },
  {
    name: 'other-request-is-a-repeat',
    file: STORE,
    find: `
  known.action === event.action &&
  known.request_id === event.request_id;`,
    replace: `
  known.action === event.action;`,
    tests: [STORE_TEST],
  },
  {
    name: 'other-source-is-a-repeat',
    file: STORE,
    find: `
  known.source === event.source &&`,
    replace: '',
    tests: [STORE_TEST],
  },
  {
    name: 'rival-of-a-stored-event-counts',
    file: STORE,
    find: 'counted: firstTime.has(one),',
    replace: 'counted: true,',
    tests: [QUARANTINE_TEST],
  },
  {
    name: 'late-holder-stores',
    file: LEASES,
    find: `
      and expires_at > clock_timestamp()\``,
    replace: '`',
    tests: [STORE_TEST],
  },
  {
    name: 'checkpoint-lost-at-the-end',
    file: LEASES,
    find: 'set checkpoint = coalesce(${checkpoint}, checkpoint)',
    replace: 'set checkpoint = ${checkpoint}',
    tests: [STORE_TEST],
  },
  {
    name: 'child-before-its-parent',
    file: LEASES,
    find: 'and s.expires_at <= clock_timestamp() and ${parentsEnded}',
    replace: 'and s.expires_at <= clock_timestamp()',
    tests: [LEASES_TEST],
  },
  {
    name: 'read-shard-called-lost',
    file: LEASES,
    find: 'from gone where not made_anew and not ended',
    replace: 'from gone where not made_anew',
    tests: [LEASES_TEST],
  },
  {
    name: 'lanes-unlocked',
    file: 'services/audit/event-store/lane-queries.ts',
    find: 'order by source, lane for update',
    replace: 'order by source, lane',
    tests: [STORE_TEST],
  },
  {
    name: 'replayed-behind-the-cursor',
    file: PLACE,
    find: '  await insertLateEvent(trx, event.id);\n',
    replace: '',
    tests: [QUARANTINE_TEST],
  },
  {
    name: 'uncounted-replayed',
    file: PLACE,
    find: '  if (!counted) throw new QuarantineContradicted();\n',
    replace: '',
    tests: [QUARANTINE_TEST],
  },
  {
    name: 'replay-not-received',
    file: PLACE,
    find: '  await addReceived(trx, [received.event], []);\n',
    replace: '',
    tests: [QUARANTINE_TEST],
  },
];
