import { HASH_BYTES, nodeHash } from '@muniment/audit-verify';
import { TILE_WIDTH } from './grow-tree.ts';

/** The hashes of a tile, full or not, and of the nodes above them, computed once on demand. */
export interface TileNodes {
  /** Hashes at the bottom: 1 to 256. */
  readonly width: number;
  /** The root over 2^height hashes from `position` · 2^height on. */
  node(height: number, position: number): Buffer;
}

/** @param hashes of the bottom row, one after the other */
export function createTileNodes(hashes: Buffer): TileNodes {
  const width = hashes.length / HASH_BYTES;
  // One allocation: 500 small buffers would cost five times as much.
  const nodes = Buffer.alloc(2 * TILE_WIDTH * HASH_BYTES);
  const known = new Uint8Array(2 * TILE_WIDTH);

  function node(height: number, position: number): Buffer {
    if (height === 0) return hashes.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES);
    // Stored as a heap: the root of the whole tile has index 1.
    const at = TILE_WIDTH / 2 ** height + position;
    const place = nodes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
    if (known[at] === 0) {
      place.set(nodeHash(node(height - 1, 2 * position), node(height - 1, 2 * position + 1)));
      known[at] = 1;
    }
    return place;
  }
  return {
    width,
    node(height, position) {
      if ((position + 1) * 2 ** height > width)
        throw new RangeError(
          `a tile of ${width} hashes has no node ${position} of height ${height}`,
        );
      return node(height, position);
    },
  };
}
