import { emptyRoot, nodeHash } from '../../src/index.ts';

// RFC 6962 §2.1 written down as it stands there: recursive over all leaves, to compare with.

const splitOf = (size: number): number => 2 ** Math.ceil(Math.log2(size) - 1);

/** MTH of the leaves' hashes (§2.1). */
export function treeRoot(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return emptyRoot;
  if (hashes.length === 1) return hashes[0] as Buffer;
  const split = splitOf(hashes.length);
  return nodeHash(treeRoot(hashes.slice(0, split)), treeRoot(hashes.slice(split)));
}

/** PATH (§2.1.1). */
export function inclusionProof(hashes: readonly Buffer[], index: number): Buffer[] {
  if (hashes.length <= 1) return [];
  const split = splitOf(hashes.length);
  return index < split
    ? [...inclusionProof(hashes.slice(0, split), index), treeRoot(hashes.slice(split))]
    : [...inclusionProof(hashes.slice(split), index - split), treeRoot(hashes.slice(0, split))];
}

/** PROOF (§2.1.2). */
export const consistencyProof = (hashes: readonly Buffer[], oldSize: number): Buffer[] =>
  subProof(hashes, oldSize, true);

function subProof(hashes: readonly Buffer[], oldSize: number, whole: boolean): Buffer[] {
  if (oldSize === hashes.length) return whole ? [] : [treeRoot(hashes)];
  const split = splitOf(hashes.length);
  return oldSize <= split
    ? [...subProof(hashes.slice(0, split), oldSize, whole), treeRoot(hashes.slice(split))]
    : [...subProof(hashes.slice(split), oldSize - split, false), treeRoot(hashes.slice(0, split))];
}
