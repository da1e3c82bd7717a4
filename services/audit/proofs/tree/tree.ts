import type { Kysely } from 'kysely';
import { nodeHash } from '@muniment/audit-verify';
import type { Tables } from '../../tables.ts';
import { findLatestCheckpoint, type StoredCheckpoint } from './checkpoint-queries.ts';
import { emptyHead, rootOf, TILE_WIDTH } from './grow-tree.ts';
import { createSubtreeLoader, subtreesOf } from './load-subtrees.ts';
import { consistencyRanges, inclusionRanges, type LeafRange } from './proof-ranges.ts';
import { findHead } from './tree-queries.ts';

export interface TreeOptions {
  db: Kysely<Tables>;
  /** Full tiles held in memory, 24 KiB each. */
  cachedTiles?: number;
}

/**
 * The stored Merkle tree, for proofs about any of its past sizes. Sizes and indexes count leaves.
 * Arguments beyond the sealed tree are refused with a RangeError.
 */
export interface Tree {
  /** Leaves sealed so far. */
  size(): Promise<number>;
  /** Root of the tree as it was at a size. */
  root(size: number): Promise<Buffer>;
  /** Hashes of the fewest complete subtrees that cover the leaves [from, to). */
  hashRange(from: number, to: number): Promise<Buffer[]>;
  /** Audit path of a leaf in the tree of `size` leaves, from its sibling up (RFC 6962 §2.1.1). */
  inclusionProof(index: number, size: number): Promise<Buffer[]>;
  /** From the tree of `from` ≥ 1 leaves to that of `to` (RFC 6962 §2.1.2). */
  consistencyProof(from: number, to: number): Promise<Buffer[]>;
  /** The first `width` hashes of a tile (C2SP tlog-tiles). */
  tile(level: number, index: number, width: number): Promise<Buffer>;
  /** The newest signed head; undefined before the first. */
  latestCheckpoint(): Promise<StoredCheckpoint | undefined>;
}

export function createTree({ db, cachedTiles = 512 }: TreeOptions): Tree {
  const { loadSubtrees, loadTile } = createSubtreeLoader(db, cachedTiles);

  /** The tree's hash over each range. Each range begins where a subtree of its size can. */
  async function hashRanges(ranges: readonly LeafRange[], size: number): Promise<Buffer[]> {
    const parts = ranges.map(subtreesOf);
    const hashes = await loadSubtrees(parts.flat(), size);
    return parts.map((subtrees) =>
      subtrees
        .map((subtree) => hashes.get(subtree) as Buffer)
        .reduceRight((right, left) => nodeHash(left, right)),
    );
  }

  return {
    size: async () => (await findHead(db)).size,
    async root(size) {
      requireRange(0, size);
      if (size === 0) return rootOf(emptyHead);
      return (await hashRanges([[0, size]], size))[0] as Buffer;
    },
    async hashRange(from, to) {
      requireRange(from, to);
      const subtrees = subtreesOf([from, to]);
      const hashes = await loadSubtrees(subtrees, to);
      return subtrees.map((subtree) => hashes.get(subtree) as Buffer);
    },
    async inclusionProof(index, size) {
      requireRange(index, size);
      if (index === size)
        throw new RangeError(`a tree of ${size} leaves has none of index ${index}`);
      return hashRanges(inclusionRanges(index, size), size);
    },
    async consistencyProof(from, to) {
      requireRange(from, to);
      if (from === 0) throw new RangeError('every tree begins with the empty one');
      return hashRanges(consistencyRanges(from, to), to);
    },
    async tile(level, index, width) {
      const leaves = (index * TILE_WIDTH + width) * TILE_WIDTH ** level;
      requireRange(0, leaves);
      const nodes = await loadTile({ level, index }, leaves);
      return Buffer.concat(Array.from({ length: width }, (_, n) => nodes.node(0, n)));
    },
    latestCheckpoint: () => findLatestCheckpoint(db),
  };
}

/** @throws RangeError */
function requireRange(from: number, to: number): void {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || from > to)
    throw new RangeError(`no leaves lie in [${from}, ${to})`);
}
