import type { Kysely } from 'kysely';
import type { LogKeys } from '@muniment/audit-key';
import { openCheckpoint, verifyConsistency, VerifyError } from '@muniment/audit-verify';
import { HistoryAltered } from '../errors.ts';
import type { StoredCheckpoint } from '../proofs/tree/checkpoint-queries.ts';
import { rootOf, type TreeHead } from '../proofs/tree/grow-tree.ts';
import { createTree } from '../proofs/tree/tree.ts';
import type { Tables } from '../tables.ts';

/** A head that was signed. */
export type SignedHead = Pick<StoredCheckpoint, 'size' | 'root'>;

/** Verifies a checkpoint's note by our keys. @throws HistoryAltered */
export function openSignedHead(
  { keys, origin }: { keys: LogKeys; origin: string },
  note: string | Uint8Array,
): SignedHead {
  try {
    const checkpoint = openCheckpoint(note, keys.verifiers);
    if (checkpoint.origin !== origin)
      throw new HistoryAltered(`a checkpoint is of the log ${checkpoint.origin}`);
    return { size: checkpoint.size, root: checkpoint.root };
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    throw new HistoryAltered(
      `a checkpoint does not verify by the keys of AUDIT_KEY_FILE: ${error.message}`,
    );
  }
}

/** Proves that the tree continues the signed head. @throws HistoryAltered */
export async function requireConsistent(
  db: Kysely<Tables>,
  signed: SignedHead,
  head: TreeHead,
): Promise<void> {
  if (head.size < signed.size)
    throw new HistoryAltered(`the tree has ${head.size} leaves, and ${signed.size} were signed`);
  if (signed.size === 0) return;
  // A reader without a cache: what counts is what is stored now.
  const proof = await createTree({ db })
    .consistencyProof(signed.size, head.size)
    .catch((error: unknown) => {
      throw error instanceof RangeError ? new HistoryAltered(error.message) : error;
    });
  const isConsistent = verifyConsistency({
    oldSize: signed.size,
    newSize: head.size,
    oldRoot: signed.root,
    newRoot: rootOf(head),
    proof,
  });
  if (!isConsistent)
    throw new HistoryAltered(
      `the tree of ${head.size} leaves does not begin with the ${signed.size} that were signed`,
    );
}
