import type { TileNodes } from './tile-nodes.ts';

export interface TileId {
  level: number;
  index: number;
}

export const keyOf = ({ level, index }: TileId): string => `${level}/${index}`;

/** Holds the tiles that were used last. */
export interface TileCache {
  get(id: TileId): TileNodes | undefined;
  set(id: TileId, nodes: TileNodes): void;
}

/** @param limit most tiles, 24 KiB each */
export function createTileCache(limit: number): TileCache {
  const tiles = new Map<string, TileNodes>();
  return {
    get(id) {
      const key = keyOf(id);
      const nodes = tiles.get(key);
      if (nodes) {
        tiles.delete(key);
        tiles.set(key, nodes);
      }
      return nodes;
    },
    set(id, nodes) {
      tiles.set(keyOf(id), nodes);
      const [oldest] = tiles.keys();
      if (tiles.size > limit && oldest !== undefined) tiles.delete(oldest);
    },
  };
}
