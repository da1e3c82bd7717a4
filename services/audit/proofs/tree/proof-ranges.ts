/** Leaves [from, to) whose subtree's hash is part of a proof. */
export type LeafRange = readonly [from: number, to: number];

/** The largest power of two below n ≥ 2, where RFC 6962 §2.1 splits a tree of n leaves. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/**
 * The ranges whose hashes prove the leaf at `index` in a tree of `size` leaves, from the leaf up
 * (RFC 6962 §2.1.1).
 */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  const ranges: LeafRange[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + split(to - from);
    if (index < middle) {
      ranges.push([middle, to]);
      to = middle;
    } else {
      ranges.push([from, middle]);
      from = middle;
    }
  }
  return ranges.toReversed();
}

/**
 * The ranges whose hashes prove that a tree extends one of `oldSize` ≥ 1 leaves (RFC 6962 §2.1.2).
 */
export function consistencyRanges(oldSize: number, newSize: number): LeafRange[] {
  const ranges: LeafRange[] = [];
  let [from, to] = [0, newSize];
  while (to !== oldSize) {
    const middle = from + split(to - from);
    if (oldSize <= middle) {
      ranges.push([middle, to]);
      to = middle;
    } else {
      ranges.push([from, middle]);
      from = middle;
    }
  }
  // A verifier has the hash of the whole old tree already.
  if (from !== 0) ranges.push([from, to]);
  return ranges.toReversed();
}
