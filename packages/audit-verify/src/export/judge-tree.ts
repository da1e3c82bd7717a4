import { decodeBase64 } from '../log/base64.ts';
import type { SignedCheckpoint } from '../log/checkpoint.ts';
import type { ExportState } from './export-state.ts';
import { verifyConsistency } from '../log/merkle.ts';
import type { ConsistencyReport } from './report.ts';

/** Compares the root of the rows with the signed one. */
export function judgeTree(state: ExportState, signed: SignedCheckpoint): void {
  const { tree, mismatches, isOrdered, findings } = state;
  // A row whose bytes do not give its hash already explains another root.
  if (mismatches.length > 0 || tree.size !== signed.size || !isOrdered) return;
  if (tree.root().equals(signed.root)) return;
  findings.add(
    'tree_mismatch',
    'the rows are not those that were sealed: at least one was altered together with its hash, ' +
      `or the hashes of rows left out were.${locateMismatch(state, signed)}`,
  );
}

/** On which side of the earlier checkpoint the altered row is. */
function locateMismatch({ earlier, earlierRoot }: ExportState, signed: SignedCheckpoint): string {
  if (!earlier || !earlierRoot || earlier.size >= signed.size) return '';
  return earlierRoot.equals(earlier.root)
    ? ` It is at index ${earlier.size} or above: up to there the earlier checkpoint holds.`
    : ` It is below index ${earlier.size}.`;
}

/** Compares the export with the earlier checkpoint, by its rows or by a consistency proof. */
export function judgeConsistency(
  state: Pick<ExportState, 'earlier' | 'earlierRoot' | 'findings'>,
  signed: SignedCheckpoint,
  proof: readonly string[] | undefined,
): ConsistencyReport | null {
  const { earlier, earlierRoot, findings } = state;
  if (!earlier) return null;
  const answer = (
    outcome: ConsistencyReport['outcome'],
    needed: string | null = null,
  ): ConsistencyReport => ({ earlier_size: earlier.size, outcome, needed });
  if (findings.total > 0) return answer('unproven', 'an export that is right in itself');
  if (earlierRoot) {
    if (earlierRoot.equals(earlier.root)) return answer('proven');
    findings.add(
      'history_rewritten',
      `history rewritten: the first ${Math.min(earlier.size, signed.size)} leaves ` +
        'are not those that the earlier checkpoint commits to',
    );
    return answer('refuted');
  }
  const [older, newer] = earlier.size < signed.size ? [earlier, signed] : [signed, earlier];
  if (!proof) {
    const query = `from=${older.size}&to=${newer.size}`;
    return answer(
      'unproven',
      `the answer of GET /api/audit/consistency?${query}, as --consistency`,
    );
  }
  if (isConsistent(older, newer, proof)) return answer('proven');
  findings.add(
    'consistency_proof_wrong',
    `the proof of consistency does not lead from ${older.size} leaves to ${newer.size}: ` +
      'it is of other sizes, or history was rewritten',
  );
  return answer('refuted');
}

function isConsistent(
  older: SignedCheckpoint,
  newer: SignedCheckpoint,
  proof: readonly string[],
): boolean {
  return verifyConsistency({
    oldSize: older.size,
    newSize: newer.size,
    oldRoot: older.root,
    newRoot: newer.root,
    proof: proof.map((text) => decodeBase64(text) ?? Buffer.alloc(0)),
  });
}
