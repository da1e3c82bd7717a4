import { emptyRoot, HASH_BYTES, nodeHash } from './merkle.ts';

/** A growing tree that stores only the roots of its complete subtrees, at most 53 hashes. */
export interface CompactRange {
  /** Leaves so far. */
  readonly size: number;
  /** Adds a leaf by its hash. */
  append(leafHash: Uint8Array): void;
  /**
   * Adds the complete subtree of 2^height leaves by its root.
   * @throws RangeError where no such subtree can begin: the size must be a multiple of 2^height
   */
  appendSubtree(root: Uint8Array, height: number): void;
  /** Root of all so far (RFC 6962 §2.1). */
  root(): Buffer;
  /** Roots of the complete subtrees, the largest first. */
  peaks(): readonly Uint8Array[];
}

/** @param peaks those of a tree of `size` leaves, the largest first, to go on from there */
export function createCompactRange(size = 0, peaks: readonly Uint8Array[] = []): CompactRange {
  const stack: Uint8Array[] = [...peaks];
  let leaves = size;
  if (stack.length !== ones(size))
    throw new RangeError(`a tree of ${size} leaves has ${ones(size)} complete subtrees`);

  function add(root: Uint8Array, height: number): void {
    if (root.length !== HASH_BYTES) throw new RangeError('a hash has 32 bytes');
    const subtree = 2 ** height;
    if (leaves % subtree !== 0)
      throw new RangeError(`no subtree of 2^${height} leaves begins at ${leaves}`);
    if (!Number.isSafeInteger(leaves + subtree)) throw new RangeError('the tree is too large');
    let merged = root;
    // As adding to a binary number: each carry joins two subtrees of one height.
    for (let rest = leaves / subtree; rest % 2 === 1; rest = (rest - 1) / 2)
      merged = nodeHash(stack.pop() as Uint8Array, merged);
    stack.push(merged);
    leaves += subtree;
  }

  return {
    get size() {
      return leaves;
    },
    append: (leafHash) => add(leafHash, 0),
    appendSubtree: add,
    root: () => {
      const root = stack.reduceRight<Uint8Array | undefined>(
        (right, left) => (right === undefined ? left : nodeHash(left, right)),
        undefined,
      );
      return Buffer.from(root ?? emptyRoot);
    },
    peaks: () => [...stack],
  };
}

function ones(n: number): number {
  let count = 0;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

/** Heights of the fewest complete subtrees that cover the leaves [from, to), in order. */
export function subtreeHeights(from: number, to: number): number[] {
  const heights: number[] = [];
  for (let at = from; at < to;) {
    let height = 0;
    while (at % 2 ** (height + 1) === 0 && at + 2 ** (height + 1) <= to) height += 1;
    heights.push(height);
    at += 2 ** height;
  }
  return heights;
}
