/** Leaves [from, to) whose tree's hash is one of a proof. */
export type LeafRange = readonly [from: number, to: number];

/** The largest power of two below n, for n ≥ 2: where RFC 6962 §2.1 splits a tree of n leaves. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** Whose hashes the inclusion proof of the leaf at `index` in a tree of `size` leaves consists of, from the leaf up (RFC 6962 §2.1.1). */
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

/** Whose hashes the consistency proof from the tree of `oldSize` ≥ 1 leaves to that of `newSize` consists of (RFC 6962 §2.1.2). */
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
  // The old tree itself: who checks has its hash.
  if (from !== 0) ranges.push([from, to]);
  return ranges.toReversed();
}
