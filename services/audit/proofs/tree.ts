import type { Kysely } from 'kysely';
import { nodeHash, subtreeHeights } from '@muniment/audit-verify';
import { findLatestCheckpoint, type StoredCheckpoint } from './checkpoint-queries.ts';
import { findTiles } from './tile-queries.ts';
import { findHead } from './tree-queries.ts';
import type { Tables } from '../tables.ts';
import {
  emptyHead,
  hashesAt,
  rootOf,
  TILE_HEIGHT,
  TILE_WIDTH,
  type TreeHead,
} from './grow-tree.ts';
import { consistencyRanges, inclusionRanges, type LeafRange } from './proof-ranges.ts';
import { createTileNodes, type TileNodes } from './tile-nodes.ts';

export interface TreeOptions {
  db: Kysely<Tables>;
  /** Full tiles kept in memory, 24 KiB each. */
  cachedTiles?: number;
}

/**
 * The Merkle tree as it is stored, for proofs about any of its past sizes. Sizes and indexes are those of leaves. All that reach beyond the
 * sealed tree are refused with a RangeError.
 */
export interface Tree {
  /** Leaves sealed so far. */
  size(): Promise<number>;
  /** Root of the tree as it was at a size. */
  root(size: number): Promise<Buffer>;
  /** Hashes of the complete subtrees that cover the leaves [from, to), as few as can be (`subtreeHeights` of audit-verify tells their heights). */
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

interface TileId {
  level: number;
  index: number;
}

/** The complete subtree of 2^height leaves from `position` · 2^height on. */
interface Subtree {
  height: number;
  position: number;
}

const keyOf = ({ level, index }: TileId): string => `${level}/${index}`;

const tileOf = ({ height, position }: Subtree): TileId => ({
  level: Math.floor(height / TILE_HEIGHT),
  index: Math.floor((position * 2 ** (height % TILE_HEIGHT)) / TILE_WIDTH),
});

function subtreesOf([from, to]: LeafRange): Subtree[] {
  let at = from;
  return subtreeHeights(from, to).map((height) => {
    const position = at / 2 ** height;
    at += 2 ** height;
    return { height, position };
  });
}

/** Keeps the tiles used last. */
function createTileCache(limit: number): {
  get(id: TileId): TileNodes | undefined;
  set(id: TileId, nodes: TileNodes): void;
} {
  const kept = new Map<string, TileNodes>();
  return {
    get(id) {
      const key = keyOf(id);
      const nodes = kept.get(key);
      if (nodes) {
        kept.delete(key);
        kept.set(key, nodes);
      }
      return nodes;
    },
    set(id, nodes) {
      kept.set(keyOf(id), nodes);
      const [oldest] = kept.keys();
      if (kept.size > limit && oldest !== undefined) kept.delete(oldest);
    },
  };
}

interface Edge {
  readonly size: number;
  /** The last tile of a level, which is not full. */
  tile(level: number): TileNodes;
}

function createEdge(head: TreeHead): Edge {
  const tiles = head.edge.map((hashes) => createTileNodes(Buffer.concat(hashes)));
  return { size: head.size, tile: (level) => tiles[level] ?? createTileNodes(Buffer.alloc(0)) };
}

export function createTree({ db, cachedTiles = 512 }: TreeOptions): Tree {
  const cache = createTileCache(cachedTiles);
  let known = createEdge(emptyHead);

  /** An edge of a tree that has `size` leaves at least. Any will do: what a tree once held it holds for ever. */
  async function reach(size: number): Promise<Edge> {
    if (known.size >= size) return known;
    const read = createEdge(await findHead(db));
    if (read.size > known.size) known = read;
    if (known.size < size) throw new RangeError(`the tree has ${known.size} leaves, not ${size}`);
    return known;
  }

  /** The tiles, read in one go. All of them lie within a tree of `size` leaves. */
  async function loadTiles(ids: readonly TileId[], size: number): Promise<Map<string, TileNodes>> {
    const edge = await reach(size);
    const tiles = new Map<string, TileNodes>();
    const missing = new Map<string, TileId>();
    for (const id of ids) {
      const key = keyOf(id);
      const isFull = (id.index + 1) * TILE_WIDTH <= hashesAt(edge.size, id.level);
      const nodes = isFull ? cache.get(id) : edge.tile(id.level);
      if (nodes) tiles.set(key, nodes);
      else missing.set(key, id);
    }
    if (missing.size > 0) {
      for (const { hashes, ...id } of await findTiles(db, [...missing.values()])) {
        const nodes = createTileNodes(hashes);
        cache.set(id, nodes);
        tiles.set(keyOf(id), nodes);
        missing.delete(keyOf(id));
      }
    }
    if (missing.size > 0)
      throw new Error(`tiles of the log are missing: ${[...missing.keys()].join(', ')}`);
    return tiles;
  }

  async function loadSubtrees(
    subtrees: readonly Subtree[],
    size: number,
  ): Promise<Map<Subtree, Buffer>> {
    const tiles = await loadTiles(subtrees.map(tileOf), size);
    return new Map(
      subtrees.map((subtree) => {
        const tile = tiles.get(keyOf(tileOf(subtree))) as TileNodes;
        const height = subtree.height % TILE_HEIGHT;
        return [subtree, tile.node(height, subtree.position % (TILE_WIDTH / 2 ** height))];
      }),
    );
  }

  /** The tree's hash over each range, each of which begins where a subtree of its size can. */
  async function rangeHashes(ranges: readonly LeafRange[], size: number): Promise<Buffer[]> {
    const parts = ranges.map(subtreesOf);
    const hashes = await loadSubtrees(parts.flat(), size);
    return parts.map((subtrees) =>
      subtrees
        .map((subtree) => hashes.get(subtree) as Buffer)
        .reduceRight((right, left) => nodeHash(left, right)),
    );
  }

  function requireRange(from: number, to: number): void {
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || from > to)
      throw new RangeError(`no leaves lie in [${from}, ${to})`);
  }

  return {
    size: async () => (await findHead(db)).size,
    async root(size) {
      requireRange(0, size);
      if (size === 0) return rootOf(emptyHead);
      return (await rangeHashes([[0, size]], size))[0] as Buffer;
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
      return rangeHashes(inclusionRanges(index, size), size);
    },
    async consistencyProof(from, to) {
      requireRange(from, to);
      if (from === 0) throw new RangeError('every tree begins with the empty one');
      return rangeHashes(consistencyRanges(from, to), to);
    },
    async tile(level, index, width) {
      const id = { level, index };
      const leaves = (index * TILE_WIDTH + width) * TILE_WIDTH ** level;
      requireRange(0, leaves);
      const nodes = (await loadTiles([id], leaves)).get(keyOf(id)) as TileNodes;
      return Buffer.concat(Array.from({ length: width }, (_, n) => nodes.node(0, n)));
    },
    latestCheckpoint: () => findLatestCheckpoint(db),
  };
}
