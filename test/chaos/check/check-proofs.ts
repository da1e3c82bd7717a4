import {
  leafHash,
  openCheckpoint,
  verifyConsistency,
  verifyInclusion,
} from '@muniment/audit-verify';
import type { Rows } from '@muniment/testing';
import type { Fleet } from '../../e2e/fleet.ts';
import type { CheckerAccount } from '../checker-account.ts';
import { createRandom } from '../plan/random.ts';
import type { SavedCheckpoint } from './checkpoints.ts';
import type { Violation } from './violations.ts';

/** The number of proofs requested, and those that do not hold. */
export interface Proven {
  count: number;
  violations: Violation[];
}

const MAX_CONSISTENCY = 400;
const MAX_INCLUSION = 100;

const fromBase64 = (hashes: readonly string[]): Buffer[] =>
  hashes.map((hash) => Buffer.from(hash, 'base64'));

/** Verifies the product's proofs that each saved checkpoint is a prefix of the next. */
export async function checkConsistency(
  fleet: Fleet,
  { token, key }: CheckerAccount,
  saved: readonly SavedCheckpoint[],
): Promise<Proven> {
  const bySize = [
    ...new Map(saved.filter(({ size }) => size > 0).map((one) => [one.size, one])).values(),
  ].sort((one, other) => one.size - other.size);
  const step = Math.max(1, Math.ceil(bySize.length / MAX_CONSISTENCY));
  const chosen = bySize.filter((_, index) => index % step === 0);
  const violations: Violation[] = [];
  let asked = 0;
  for (const [index, older] of chosen.entries()) {
    const newer = chosen[index + 1];
    if (!newer) break;
    asked += 1;
    const answer = await fleet.call(
      'GET',
      `/api/audit/consistency?from=${older.size}&to=${newer.size}`,
      { token },
    );
    const text = await answer.text();
    if (!answer.ok) {
      violations.push({
        kind: 'proof',
        detail:
          `consistency from ${older.size} to ${newer.size} ` +
          `answered ${answer.status}: ${text.slice(0, 200)}`,
      });
      continue;
    }
    const body = JSON.parse(text) as { old: string; new: string; hashes: string[] };
    const [old, next] = [openCheckpoint(body.old, [key]), openCheckpoint(body.new, [key])];
    const holds =
      old.size === older.size &&
      next.size === newer.size &&
      old.root.equals(older.root) &&
      next.root.equals(newer.root) &&
      verifyConsistency({
        oldSize: older.size,
        newSize: newer.size,
        oldRoot: older.root,
        newRoot: newer.root,
        proof: fromBase64(body.hashes),
      });
    if (!holds)
      violations.push({
        kind: 'proof',
        detail: `the tree of ${newer.size} leaves is not proven to extend that of ${older.size}`,
      });
  }
  return { count: asked, violations };
}

/** Verifies the product's inclusion proofs of some events against the stored records. */
export async function checkInclusion(
  fleet: Fleet,
  { token, key }: CheckerAccount,
  rows: Rows,
  seed: number,
): Promise<Proven> {
  const events = await rows<{ id: string; record: string; index: number }>(
    `select e.id, e.record, s.index::float8 as index
    from audit.sealed s join audit.events e on e.id = s.event_id order by s.index`,
  );
  const violations: Violation[] = [];
  const chosen = createRandom(`${seed}/proofs`).shuffle(events).slice(0, MAX_INCLUSION);
  for (const { id, record, index } of chosen) {
    const answer = await fleet.call('GET', `/api/audit/logs/${id}/proof`, { token });
    const text = await answer.text();
    if (!answer.ok) {
      violations.push({
        kind: 'proof',
        detail: `the proof of ${id} answered ${answer.status}: ${text.slice(0, 200)}`,
      });
      continue;
    }
    const proof = JSON.parse(text) as {
      checkpoint: string;
      index: number;
      tree_size: number;
      hashes: string[];
      leaf: string;
    };
    const { size, root } = openCheckpoint(proof.checkpoint, [key]);
    const leaf = Buffer.from(proof.leaf, 'base64');
    const holds =
      size === proof.tree_size &&
      proof.index === index &&
      leaf.equals(Buffer.from(record)) &&
      verifyInclusion({
        index,
        size,
        leafHash: leafHash(leaf),
        proof: fromBase64(proof.hashes),
        root,
      });
    if (!holds)
      violations.push({ kind: 'proof', detail: `${id} is not shown to be leaf ${index}` });
  }
  return { count: chosen.length, violations };
}
