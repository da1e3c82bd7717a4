import { hash } from 'node:crypto';

export const HASH_BYTES = 32;

/** Root of the tree without leaves: the hash of the empty string (RFC 6962 §2.1). */
export const emptyRoot: Buffer = hash('sha256', '', 'buffer');

// By way of a string: a buffer of its own costs more than hashing (3.3, not 1.9 µs for 600 bytes).
const sha256 = (bytes: Uint8Array): Buffer =>
  Buffer.from(hash('sha256', bytes, 'binary'), 'latin1');

/** Hash of a leaf: SHA-256(0x00 ‖ leaf) (RFC 6962 §2.1). */
export function leafHash(leaf: Uint8Array): Buffer {
  const prefixed = Buffer.allocUnsafe(leaf.length + 1);
  prefixed[0] = 0x00;
  prefixed.set(leaf, 1);
  return sha256(prefixed);
}

// Reused for each node, since hashing is synchronous.
const node = Buffer.alloc(1 + 2 * HASH_BYTES);
node[0] = 0x01;

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right) (RFC 6962 §2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  if (left.length !== HASH_BYTES || right.length !== HASH_BYTES)
    throw new RangeError('a hash has 32 bytes');
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}

// Sizes go up to 2^53 - 1: shifts of 32 bits would cut them.
const isOdd = (n: number): boolean => n % 2 === 1;
const half = (n: number): number => Math.floor(n / 2);
const isPowerOfTwo = (n: number): boolean => {
  let rest = n;
  while (rest > 1 && !isOdd(rest)) rest = half(rest);
  return rest === 1;
};
const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
const areHashes = (hashes: readonly Uint8Array[]): boolean =>
  hashes.every(({ length }) => length === HASH_BYTES);

export interface Inclusion {
  /** The leaf's index, from 0. */
  index: number;
  /** Leaves of the tree. */
  size: number;
  leafHash: Uint8Array;
  /** From the leaf's sibling up to the root's child. */
  proof: readonly Uint8Array[];
  root: Uint8Array;
}

/** Verifies an inclusion proof (RFC 9162 §2.1.3.2). Malformed input is false. */
export function verifyInclusion({ index, size, leafHash: leaf, proof, root }: Inclusion): boolean {
  if (!isCount(index) || !isCount(size) || index >= size || !areHashes([leaf, root, ...proof]))
    return false;
  let at = index;
  let last = size - 1;
  let current: Uint8Array = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      current = nodeHash(sibling, current);
      while (!isOdd(at) && at !== 0) {
        at = half(at);
        last = half(last);
      }
    } else {
      current = nodeHash(current, sibling);
    }
    at = half(at);
    last = half(last);
  }
  return last === 0 && Buffer.compare(current, root) === 0;
}

export interface Consistency {
  oldSize: number;
  newSize: number;
  oldRoot: Uint8Array;
  newRoot: Uint8Array;
  proof: readonly Uint8Array[];
}

/**
 * Verifies a consistency proof (RFC 9162 §2.1.4.2). Malformed input is false.
 * Between trees of one size, and from the empty tree, only the empty proof is valid.
 */
export function verifyConsistency({
  oldSize,
  newSize,
  oldRoot,
  newRoot,
  proof,
}: Consistency): boolean {
  if (
    !isCount(oldSize) ||
    !isCount(newSize) ||
    oldSize > newSize ||
    !areHashes([oldRoot, newRoot, ...proof])
  )
    return false;
  if (oldSize === newSize) return proof.length === 0 && Buffer.compare(oldRoot, newRoot) === 0;
  if (oldSize === 0) return proof.length === 0 && Buffer.compare(oldRoot, emptyRoot) === 0;
  // Checked before the old root is put in front: it must not replace the proof.
  if (proof.length === 0) return false;
  const [first, ...rest] = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : proof;
  let at = oldSize - 1;
  let last = newSize - 1;
  while (isOdd(at)) {
    at = half(at);
    last = half(last);
  }
  let older = first as Uint8Array;
  let newer = older;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      older = nodeHash(sibling, older);
      newer = nodeHash(sibling, newer);
      while (!isOdd(at) && at !== 0) {
        at = half(at);
        last = half(last);
      }
    } else {
      newer = nodeHash(newer, sibling);
    }
    at = half(at);
    last = half(last);
  }
  return last === 0 && Buffer.compare(older, oldRoot) === 0 && Buffer.compare(newer, newRoot) === 0;
}
