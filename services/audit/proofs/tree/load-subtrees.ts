import type { Kysely } from 'kysely';
import { subtreeHeights } from '@muniment/audit-verify';
import type { Tables } from '../../tables.ts';
import { emptyHead, hashesAt, TILE_HEIGHT, TILE_WIDTH, type TreeHead } from './grow-tree.ts';
import type { LeafRange } from './proof-ranges.ts';
import { createTileCache, keyOf, type TileId } from './tile-cache.ts';
import { createTileNodes, type TileNodes } from './tile-nodes.ts';
import { findTiles } from './tile-queries.ts';
import { findHead } from './tree-queries.ts';

/** The complete subtree of 2^height leaves from `position` · 2^height on. */
export interface Subtree {
  height: number;
  position: number;
}

/** The tree's right edge, as tiles that are not full. */
interface Edge {
  readonly size: number;
  tile(level: number): TileNodes;
}

/** Reads hashes of the stored tree. All throw a RangeError beyond the sealed tree. */
export interface SubtreeLoader {
  /** The hashes of subtrees within a tree of `size` leaves, by one statement. */
  loadSubtrees(subtrees: readonly Subtree[], size: number): Promise<Map<Subtree, Buffer>>;
  /** One tile of a tree of `size` leaves. */
  loadTile(id: TileId, size: number): Promise<TileNodes>;
}

/** The fewest complete subtrees that cover a range, in order. */
export function subtreesOf([from, to]: LeafRange): Subtree[] {
  let at = from;
  return subtreeHeights(from, to).map((height) => {
    const position = at / 2 ** height;
    at += 2 ** height;
    return { height, position };
  });
}

const tileOf = ({ height, position }: Subtree): TileId => ({
  level: Math.floor(height / TILE_HEIGHT),
  index: Math.floor((position * 2 ** (height % TILE_HEIGHT)) / TILE_WIDTH),
});

function createEdge(head: TreeHead): Edge {
  const tiles = head.edge.map((hashes) => createTileNodes(Buffer.concat(hashes)));
  return { size: head.size, tile: (level) => tiles[level] ?? createTileNodes(Buffer.alloc(0)) };
}

export function createSubtreeLoader(db: Kysely<Tables>, cachedTiles: number): SubtreeLoader {
  const cache = createTileCache(cachedTiles);
  let known = createEdge(emptyHead);

  /** An edge of a tree with at least `size` leaves. Any will do, as the tree only grows. */
  async function findEdge(size: number): Promise<Edge> {
    if (known.size >= size) return known;
    const read = createEdge(await findHead(db));
    if (read.size > known.size) known = read;
    if (known.size < size) throw new RangeError(`the tree has ${known.size} leaves, not ${size}`);
    return known;
  }

  async function loadTiles(ids: readonly TileId[], size: number): Promise<Map<string, TileNodes>> {
    const edge = await findEdge(size);
    const tiles = new Map<string, TileNodes>();
    const missing = new Map<string, TileId>();
    for (const id of ids) {
      const isFull = (id.index + 1) * TILE_WIDTH <= hashesAt(edge.size, id.level);
      const nodes = isFull ? cache.get(id) : edge.tile(id.level);
      if (nodes) tiles.set(keyOf(id), nodes);
      else missing.set(keyOf(id), id);
    }
    if (missing.size === 0) return tiles;
    for (const { hashes, ...id } of await findTiles(db, [...missing.values()])) {
      const nodes = createTileNodes(hashes);
      cache.set(id, nodes);
      tiles.set(keyOf(id), nodes);
      missing.delete(keyOf(id));
    }
    if (missing.size > 0)
      throw new Error(`tiles of the log are missing: ${[...missing.keys()].join(', ')}`);
    return tiles;
  }

  return {
    async loadSubtrees(subtrees, size) {
      const tiles = await loadTiles(subtrees.map(tileOf), size);
      return new Map(
        subtrees.map((subtree) => {
          const tile = tiles.get(keyOf(tileOf(subtree))) as TileNodes;
          const height = subtree.height % TILE_HEIGHT;
          return [subtree, tile.node(height, subtree.position % (TILE_WIDTH / 2 ** height))];
        }),
      );
    },
    loadTile: async (id, size) => (await loadTiles([id], size)).get(keyOf(id)) as TileNodes,
  };
}
