import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from '../../e2e/fleet.ts';
import type { Rows } from '@muniment/testing';
import { checkExport } from './check-export.ts';
import { checkHistory } from './check-history.ts';
import { checkConsistency, checkInclusion, type Proven } from './check-proofs.ts';
import { checkSent } from './check-sent.ts';
import { checkPrefixes, readCopies, type Witness } from './checkpoints.ts';
import type { Violation } from './violations.ts';
import type { History } from '../history.ts';
import type { CheckerAccount } from '../checker-account.ts';
import { checkTrail, readTrail } from '../trail.ts';

export interface Finished {
  fleet: Fleet;
  rows: Rows;
  history: History;
  checker: CheckerAccount;
  witness: Witness;
  seed: number;
  /** What was still under way when the waiting timed out. */
  missing: readonly string[];
}

const COPIES_TIMEOUT_MS = 20_000;

/** How much was checked. A count of zero is a violation, because it proves nothing. */
export interface Evidence {
  events: number;
  /** Saved by the witness. */
  checkpoints: number;
  /** Found in S3. */
  copies: number;
  consistencyProofs: number;
  inclusionProofs: number;
  /** Rows of the export that were verified. */
  exportedRows: number;
}

/** Compares everything that a run left with everything that was observed. */
export async function check({
  fleet,
  rows,
  history,
  checker,
  witness,
  seed,
  missing,
}: Finished): Promise<{ violations: Violation[]; evidence: Evidence }> {
  const events = await readTrail(rows);
  // The trail comes first, because reading another account's proof adds an event.
  const ofTheTrail = await checkTrail(rows, events, missing);
  const copies = await newestCopies(fleet, checker, rows);
  const saved = [...witness.saved, ...copies.saved];
  const consistency = await proven('consistency', checkConsistency(fleet, checker, saved));
  const inclusion = await proven('inclusion', checkInclusion(fleet, checker, rows, seed));
  const exported = await proven(
    'the export',
    checkExport(fleet, checker, events.length, witness.saved),
  );
  const evidence: Evidence = {
    events: events.length,
    checkpoints: witness.saved.length,
    copies: copies.saved.length,
    consistencyProofs: consistency.count,
    inclusionProofs: inclusion.count,
    exportedRows: exported.count,
  };
  const violations: Violation[] = [
    ...ofTheTrail,
    ...checkHistory(history.operations, events, new Set([checker.userId])),
    ...checkSent(history.sent, events),
    ...witness.violations,
    ...copies.violations,
    ...(await checkPrefixes(rows, saved)),
    ...consistency.violations,
    ...inclusion.violations,
    ...exported.violations,
    ...(await checkCompleteness(fleet, checker)),
    ...Object.entries(evidence)
      .filter(([, count]) => count === 0)
      .map(([what]) => ({ kind: 'proof' as const, detail: `there are no ${what} to check` })),
  ];
  return { violations, evidence };
}

/** Turns a failed check into a violation. */
async function proven(what: string, checked: Promise<Proven>): Promise<Proven> {
  return checked.catch((error: unknown) => ({
    count: 0,
    violations: [{ kind: 'proof' as const, detail: `${what}: ${String(error)}` }],
  }));
}

/** The checkpoints in S3, once the newest one in the database is among them. */
async function newestCopies(
  fleet: Fleet,
  checker: CheckerAccount,
  rows: Rows,
): ReturnType<typeof readCopies> {
  for (const deadline = performance.now() + COPIES_TIMEOUT_MS; ; await sleep(500)) {
    const [size] = await rows<{ tree: number; signed: number }>(
      `select size::float8 as tree, (select max(size)::float8 from audit.checkpoints) as signed
      from audit.tree`,
    );
    const copies = await readCopies(fleet, checker.key);
    if (size && size.tree === size.signed && copies.saved.at(-1)?.size === size.signed)
      return copies;
    if (performance.now() < deadline) continue;
    const detail =
      `the tree has ${size?.tree} leaves, the newest checkpoint ${size?.signed}, ` +
      `the newest in S3 ${copies.saved.at(-1)?.size}`;
    return { ...copies, violations: [...copies.violations, { kind: 'checkpoint', detail }] };
  }
}

/** Checks that the product's own completeness report finds no fault either. */
async function checkCompleteness(fleet: Fleet, { token }: CheckerAccount): Promise<Violation[]> {
  const answer = await fleet.call('GET', '/api/audit/completeness', { token });
  const text = await answer.text();
  if (!answer.ok)
    return [
      { kind: 'hole', detail: `completeness answered ${answer.status}: ${text.slice(0, 200)}` },
    ];
  const { complete, alarms } = JSON.parse(text) as {
    complete: boolean;
    alarms: { code: string; detail: string; incomplete?: boolean }[];
  };
  return complete
    ? []
    : alarms.map(({ code, detail }) => ({
        kind: 'hole',
        detail: `completeness says ${code}: ${detail}`,
      }));
}
