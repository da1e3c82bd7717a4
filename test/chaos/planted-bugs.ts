import type { Violation } from './check/violations.ts';
import type { FaultKind } from './plan/plan-faults.ts';

/** Replaces text that must exist exactly once. */
export interface Mutation {
  file: string;
  find: string;
  replace: string;
}

/** A plausible mistake, and the violations that reveal it. */
export interface PlantedBug {
  name: string;
  /** One sentence: what goes wrong. */
  story: string;
  mutations: Mutation[];
  /** The faults that reveal it. */
  faults: FaultKind[];
  /** At least one of them must be found. */
  expects: Violation['kind'][];
}

export const PLANTED_BUGS: PlantedBug[] = [
  {
    name: 'deleted-when-sent',
    story: 'the relay deletes a row once it has a number, not once the audit service has stored it',
    mutations: [
      {
        file: 'packages/audit-events/src/outbox.ts',
        find: 'where w.source = ${source} and w.lane = o.lane and o.seq <= w.watermark',
        replace: 'where w.source = ${source} and w.lane = o.lane and o.seq is not null',
      },
    ],
    faults: ['wipe_stream', 'kill_kinesis', 'kill_relay'],
    expects: ['lost'],
  },
  {
    name: 'checkpoint-before-rows',
    story: 'the consumer commits checkpoint and received numbers before the rows',
    mutations: [
      {
        file: 'services/audit/consumer/store-batch.ts',
        find: '  return db.transaction().execute(async (trx) => {\n    if (!(await moveCheckpoint(',
        replace: [
          '  await db.transaction().execute(async (trx) => {',
          '    if (!(await moveCheckpoint(trx, lease, { ttlMs, checkpoint, isEnded }))) throw new LeaseLost(lease.shardId);',
          '    if (sorted.events.length > 0) await addReceived(trx, sorted.events.map(({ event }) => event), []);',
          '  });',
          '  return db.transaction().execute(async (trx) => {',
          '    if (!(await moveCheckpoint(',
        ].join('\n'),
      },
      {
        file: 'services/audit/event-store/store-events.ts',
        find: 'const received = await findReceived(',
        replace: 'const received = new Set<number>();\n  await findReceived(',
      },
    ],
    faults: ['kill_postgres_committing', 'kill_audit_committing'],
    expects: ['lost'],
  },
  {
    name: 'slow-transaction-skipped',
    story:
      'the relay reads behind the last numbered row, and skips a transaction that commits late',
    mutations: [
      {
        file: 'packages/audit-events/src/outbox.ts',
        find: 'where seq is null ${outside(fullLanes)} order by position limit ${limit} for update',
        replace: [
          'where seq is null and position > (',
          '  select coalesce(max(position), 0) from ${outbox} where seq is not null)',
          'order by position limit ${limit} for update',
        ].join('\n'),
      },
    ],
    faults: ['kill_user', 'kill_file', 'pause_relay', 'pause_kinesis'],
    expects: ['order', 'lost', 'undelivered'],
  },
  {
    name: 'download-twice',
    story: 'a download that the gateway retries on a second replica gets a second event id',
    mutations: [
      {
        file: 'services/file/downloads/send-file.ts',
        find: '    id: derivedEventId(request.id, request.startedAtMs),\n',
        replace: '',
      },
    ],
    faults: ['kill_file_committing'],
    expects: ['doubled'],
  },
  {
    name: 'answer-kept-later',
    story:
      'the answer of a request with an Idempotency-Key is kept by a job of its own seconds behind the COMMIT of what it answers, not in it',
    mutations: [
      {
        file: 'packages/server/src/audit/transactions.ts',
        find: "      written = insertOutboxRows(trx, schema, rows, outcome === 'commit' ? undefined : outcome);\n",
        replace: [
          '      written = insertOutboxRows(trx, schema, rows, undefined);',
          "      if (outcome !== 'commit') setTimeout(() => void outcome.execute(db).catch(() => {}), 3_000);\n",
        ].join('\n'),
      },
    ],
    faults: ['kill_gateway', 'kill_file_committing'],
    expects: ['doubled'],
  },
  {
    name: 'sealed-past-holes',
    story: 'the sealer seals a lane up to its highest number, and never what arrives behind it',
    mutations: [
      {
        file: 'services/audit/sealing/seal-lane-queries.ts',
        find: 's.sealed_seq, l.watermark\n',
        replace: 's.sealed_seq, upper(l.received) - 1 as watermark\n',
      },
      {
        file: 'services/audit/sealing/seal-lane-queries.ts',
        find: 'where l.watermark > s.sealed_seq',
        replace: 'where upper(l.received) - 1 > s.sealed_seq',
      },
    ],
    faults: ['throttle_kinesis', 'wipe_stream'],
    expects: ['unsealed'],
  },
  {
    name: 'leaves-out-of-step',
    story: 'the indexes of a batch are not given in the order in which its leaves enter the tree',
    mutations: [
      {
        file: 'services/audit/sealing/seal-batch.ts',
        find: 'before.size,\n      events.map(({ id }) => id),',
        replace: 'before.size,\n      events.map(({ id }) => id).toReversed(),',
      },
    ],
    faults: ['kill_sealer'],
    expects: ['checkpoint'],
  },
];
