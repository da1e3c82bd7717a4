import { createCompactRange, HASH_BYTES, nodeHash } from '@muniment/audit-verify';

// C2SP tlog-tiles, https://c2sp.org/tlog-tiles: a tile of level L holds up to 256 hashes.
// Each is the root of a complete subtree of 256^L leaves.
export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;

/** A full tile. */
export interface Tile {
  level: number;
  index: number;
  /** 256 hashes, one after the other. */
  hashes: Buffer;
}

/** A tree by its right edge: the hashes that are in no full tile. */
export interface TreeHead {
  size: number;
  /** Hashes of each level's last tile, which is not full; the lowest level first. */
  edge: readonly (readonly Uint8Array[])[];
}

export const emptyHead: TreeHead = { size: 0, edge: [] };

/** How many hashes of a level a tree of `size` leaves has. */
export const hashesAt = (size: number, level: number): number =>
  Math.floor(size / TILE_WIDTH ** level);

/** Root of the complete subtree over these hashes; their number is a power of two. */
export function subtreeRoot(hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes;
  while (row.length > 1) {
    const above: Uint8Array[] = [];
    for (let at = 0; at < row.length; at += 2)
      above.push(nodeHash(row[at] as Uint8Array, row[at + 1] as Uint8Array));
    row = above;
  }
  return row[0] as Uint8Array;
}

/** Adds leaves to a tree. @returns its new head, and the tiles that became full */
export function growTree(
  head: TreeHead,
  leafHashes: readonly Uint8Array[],
): { head: TreeHead; tiles: Tile[] } {
  const edge: Uint8Array[][] = head.edge.map((hashes) => [...hashes]);
  const tiles: Tile[] = [];
  let { size } = head;

  function add(level: number, hash: Uint8Array): void {
    const tile = (edge[level] ??= []);
    if (tile.push(hash) < TILE_WIDTH) return;
    edge[level] = [];
    tiles.push({ level, index: hashesAt(size, level + 1) - 1, hashes: Buffer.concat(tile) });
    add(level + 1, subtreeRoot(tile));
  }

  for (const hash of leafHashes) {
    size += 1;
    add(0, hash);
  }
  return { head: { size, edge }, tiles };
}

/** Root of the tree (RFC 6962 §2.1). */
export function rootOf({ edge }: TreeHead): Buffer {
  const range = createCompactRange();
  for (const [level, hashes] of [...edge.entries()].toReversed()) {
    for (const hash of hashes) range.appendSubtree(hash, TILE_HEIGHT * level);
  }
  return range.root();
}

/** The stored edge: all its hashes, the lowest level first. The size tells how many of each. */
export const encodeEdge = ({ edge }: TreeHead): Buffer => Buffer.concat(edge.flat());

/** @throws when the bytes are not the edge of a tree of this size */
export function decodeHead(size: number, bytes: Buffer): TreeHead {
  const edge: Uint8Array[][] = [];
  let at = 0;
  for (let level = 0; hashesAt(size, level) > 0; level += 1) {
    const width = hashesAt(size, level) % TILE_WIDTH;
    edge.push(
      Array.from({ length: width }, (_, n) =>
        bytes.subarray(at + n * HASH_BYTES, at + (n + 1) * HASH_BYTES),
      ),
    );
    at += width * HASH_BYTES;
  }
  if (bytes.length !== at)
    throw new Error(`the edge of a tree of ${size} leaves has ${at} bytes, not ${bytes.length}`);
  return { size, edge };
}
