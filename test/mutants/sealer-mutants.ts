import type { Mutant } from './mutant.ts';

const BATCH = 'services/audit/sealing/seal-batch.ts';
const LANES = 'services/audit/sealing/seal-lane-queries.ts';
const EVENTS = 'services/audit/sealing/unsealed-event-queries.ts';
const SIGNER = 'services/audit/sealing/checkpoint-signer.ts';
const HEAD = 'services/audit/sealing/signed-head.ts';
const PUBLISHER = 'services/audit/sealing/checkpoint-publisher.ts';
const SIGNING = 'services/audit/sealing/signing.ts';
const SEALER = 'services/audit/sealing/sealer.ts';
const ALARM = 'services/audit/sealing/history-alarm.ts';
const ALARM_TEST = 'services/audit/test/sealing/history-alarm.test.ts';
const BATCH_TEST = 'services/audit/test/sealing/seal-batch.test.ts';
const SIGNER_TEST = 'services/audit/test/sealing/checkpoint-signer.test.ts';
const CHECKS_TEST = 'services/audit/test/sealing/signed-head-checks.test.ts';
const PUBLISHER_TEST = 'services/audit/test/sealing/checkpoint-publisher.test.ts';
const SEALER_TEST = 'services/audit/test/sealing/sealer.test.ts';

/** Sealing, signing, and publishing of checkpoints. */
export const SEALER_MUTANTS: Mutant[] = [
  {
    name: 'sealed-without-lease',
    file: BATCH,
    find: `    await requireLease(trx, lease);
`,
    replace: '',
    tests: [BATCH_TEST],
  },
  {
    name: 'head-moved-unnoticed',
    file: BATCH,
    find: 'if (!(await updateHead(trx, before.size, head))) throw new TreeMoved(before.size);',
    replace: 'await updateHead(trx, before.size, head);',
    tests: [BATCH_TEST],
  },
  {
    name: 'lane-moved-unnoticed',
    file: BATCH,
    find: `if (moves.length > 0 && (await moveSealLanes(trx, moves)) !== moves.length)
      throw new TreeMoved(before.size);`,
    replace: 'if (moves.length > 0) await moveSealLanes(trx, moves);',
    tests: [BATCH_TEST],
  },
  {
    name: 'order-of-ids-within-a-lane',
    file: BATCH,
    find: 'latest = own === lane && latest > event.id ? latest : event.id;',
    replace: 'latest = event.id;',
    tests: [BATCH_TEST],
  },
  {
    name: 'lanes-not-merged',
    file: BATCH,
    find: '.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))',
    replace: '.slice()',
    tests: [BATCH_TEST],
  },
  {
    name: 'rest-of-a-lane-forgotten',
    file: BATCH,
    find: 'late.length === limit || moves.some((move, n) => move.watermark !== lanes[n]?.watermark)',
    replace: 'late.length === limit',
    tests: [BATCH_TEST],
  },
  {
    name: 'rest-of-late-events-forgotten',
    file: BATCH,
    find: 'late.length === limit || moves.some',
    replace: 'moves.some',
    tests: [BATCH_TEST],
  },
  {
    name: 'tiles-forgotten',
    file: BATCH,
    find: `    if (tiles.length > 0) await insertTiles(trx, tiles);
`,
    replace: '',
    tests: [BATCH_TEST, SIGNER_TEST],
  },
  {
    name: 'late-events-after-the-lanes',
    file: BATCH,
    find: '[...late, ...merge(next)]',
    replace: 'merge(next)',
    tests: [BATCH_TEST],
  },
  {
    name: 'sealed-past-a-hole',
    file: LANES,
    find: `select source, lane, s.sealed_seq, l.watermark
`,
    replace: `select source, lane, s.sealed_seq, l.watermark + 1 as watermark
`,
    tests: [BATCH_TEST],
  },
  {
    name: 'lane-moved-from-anywhere',
    file: LANES,
    find: ' and s.sealed_seq = m.after`',
    replace: ' and s.sealed_seq <= m.after`',
    tests: [BATCH_TEST],
  },
  {
    name: 'late-event-sealed-twice',
    file: EVENTS,
    find: `
      and not exists (select from audit.sealed where event_id = id)`,
    replace: '',
    tests: [BATCH_TEST],
  },
  {
    name: 'late-event-before-its-lane',
    file: EVENTS,
    find: ' and seq <= sealed_seq ',
    replace: ' ',
    tests: [BATCH_TEST],
  },
  {
    name: 'leaf-without-its-prefix',
    file: EVENTS,
    find: `sha256('\\\\x00'::bytea || convert_to(record, 'UTF8'))`,
    replace: `sha256(convert_to(record, 'UTF8'))`,
    tests: [BATCH_TEST],
  },
  {
    name: 'first-number-of-a-lane-skipped',
    file: EVENTS,
    find: 'and seq > n.after and seq <= n.upto',
    replace: 'and seq > n.after + 1 and seq <= n.upto',
    tests: [BATCH_TEST],
  },
  {
    name: 'vanished-checkpoint-unnoticed',
    file: SIGNER,
    find: 'if (anchor && (!stored || stored.size < anchor.size))',
    replace: 'if (anchor && !stored)',
    tests: [CHECKS_TEST],
  },
  {
    name: 'note-of-another-tree',
    file: SIGNER,
    find: 'if (signed.size !== stored.size || !signed.root.equals(stored.root))',
    replace: 'if (signed.size !== stored.size)',
    tests: [SIGNER_TEST],
  },
  {
    name: 'note-of-another-size',
    file: SIGNER,
    find: 'if (signed.size !== stored.size || !signed.root.equals(stored.root))',
    replace: 'if (!signed.root.equals(stored.root))',
    tests: [SIGNER_TEST],
  },
  {
    name: 'two-checkpoints-of-one-size',
    file: SIGNER,
    find: 'if (anchor?.size === signed.size && !anchor.root.equals(signed.root))',
    replace: 'if (false as boolean)',
    tests: [CHECKS_TEST],
  },
  {
    name: 'anchor-not-compared',
    file: SIGNER,
    find: `    if (anchor) await requireConsistent(db, anchor, head);
    if (stored)`,
    replace: '    if (stored)',
    tests: [CHECKS_TEST],
  },
  {
    name: 'stored-checkpoint-not-compared',
    file: SIGNER,
    find: `    if (stored) await requireConsistent(db, stored, head);
`,
    replace: '',
    tests: [CHECKS_TEST],
  },
  {
    name: 'signed-without-comparing',
    file: SIGNER,
    find: `      if (anchor) await requireConsistent(db, anchor, head);
      if (anchor?.size`,
    replace: '      if (anchor?.size',
    tests: [CHECKS_TEST],
  },
  {
    name: 'signed-without-lease',
    file: SIGNER,
    find: `        await requireLease(trx, lease);
`,
    replace: '',
    tests: [SIGNER_TEST],
  },
  {
    name: 'second-signature-of-a-size',
    file: SIGNER,
    find: 'if (!(await insertCheckpoint(trx, checkpoint))) throw new LeaseLost(lease.name);',
    replace: 'await insertCheckpoint(trx, checkpoint);',
    tests: [CHECKS_TEST],
  },
  {
    name: 'log-of-another-name',
    file: HEAD,
    find: 'if (checkpoint.origin !== origin)',
    replace: `if (checkpoint.origin === '')`,
    tests: [CHECKS_TEST],
  },
  {
    name: 'shorter-tree-accepted',
    file: HEAD,
    find: 'if (head.size < signed.size)',
    replace: 'if (head.size < 0)',
    tests: [CHECKS_TEST],
  },
  {
    name: 'inconsistent-tree-accepted',
    file: HEAD,
    find: 'if (!isConsistent)',
    replace: 'if (!isConsistent && proof.length === 0)',
    tests: [CHECKS_TEST],
  },
  {
    name: 'bucket-not-compared',
    file: PUBLISHER,
    find: 'if (!compared) await compare();',
    replace: 'if (published === undefined && !compared) await compare();',
    tests: [PUBLISHER_TEST, SEALER_TEST],
  },
  {
    name: 'other-checkpoint-in-the-bucket',
    file: PUBLISHER,
    find: 'if (there && !Buffer.from(there).equals(Buffer.from(note)))',
    replace: 'if (!there)',
    tests: [PUBLISHER_TEST],
  },
  {
    name: 'object-under-another-name',
    file: PUBLISHER,
    find: 'if (size !== newest)',
    replace: 'if (size > newest)',
    tests: [PUBLISHER_TEST],
  },
  {
    name: 'one-page-of-checkpoints',
    file: PUBLISHER,
    find: 'if (next.length < BATCH) return;',
    replace: 'return;',
    tests: [PUBLISHER_TEST],
  },
  {
    name: 'object-not-locked',
    file: PUBLISHER,
    find: 'locks ? new Date(',
    replace: '!locks ? new Date(',
    tests: [PUBLISHER_TEST],
  },
  {
    name: 'sealed-during-an-alarm',
    file: SEALER,
    find: `    if (alarm.state()) await signing.resolveAlarm();
`,
    replace: '',
    tests: [SEALER_TEST],
  },
  {
    name: 'not-compared-at-the-start',
    file: SEALER,
    find: `    await signing.compare(Math.min(COMPARE_TIMEOUT_MS, leaseTtlMs / 2));
`,
    replace: '',
    tests: [ALARM_TEST],
  },
  {
    name: 'alarm-ends-unchecked',
    file: SIGNING,
    find: `      await signer.verify();
      publisher.recheck();
      await publisher.publish`,
    replace: `      publisher.recheck();
      await publisher.publish`,
    tests: [ALARM_TEST],
  },
  {
    name: 'alarm-ends-without-the-bucket',
    file: SIGNING,
    find: `      publisher.recheck();
      await publisher.publish`,
    replace: '      await publisher.publish',
    tests: [SEALER_TEST],
  },
  {
    name: 'alarm-raised-by-any-error',
    file: ALARM,
    find: 'if (!(error instanceof HistoryAltered)) throw error;',
    replace: 'if (!(error instanceof Error)) throw error;',
    tests: [ALARM_TEST],
  },
  {
    name: 'readiness-hides-the-alarm',
    file: SEALER,
    find: `  if (alarm) throw new Error(alarm.reason);
`,
    replace: '',
    tests: [SEALER_TEST],
  },
];
