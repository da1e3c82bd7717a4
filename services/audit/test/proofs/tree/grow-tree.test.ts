import fc from 'fast-check';
import { test } from 'tap';
import {
  decodeHead,
  emptyHead,
  encodeEdge,
  growTree,
  rootOf,
  TILE_WIDTH,
  type Tile,
  type TreeHead,
} from '../../../proofs/tree/grow-tree.ts';
import { naiveLeaf, naiveRoot } from './naive-tree.ts';

const leaves = Array.from({ length: 2_000 }, (_, n) => naiveLeaf(Buffer.from(`leaf ${n}`)));

/** Leaves in batches, each through the stored form of the head, as the sealer does. */
function grow(all: readonly Buffer[], cuts: readonly number[]): { head: TreeHead; tiles: Tile[] } {
  let head = emptyHead;
  const tiles: Tile[] = [];
  const edges = [0, ...cuts, all.length];
  for (let n = 1; n < edges.length; n += 1) {
    const grown = growTree(
      decodeHead(head.size, encodeEdge(head)),
      all.slice(edges[n - 1], edges[n]),
    );
    tiles.push(...grown.tiles);
    head = grown.head;
  }
  return { head, tiles };
}

test('random batches make the tree of RFC 6962, with tiles that hold its leaves', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: leaves.length }),
      fc.array(fc.nat(leaves.length), { maxLength: 8 }),
      (size, cuts) => {
        const all = leaves.slice(0, size);
        const { head, tiles } = grow(
          all,
          cuts.filter((cut) => cut <= size).toSorted((a, b) => a - b),
        );
        t.same(rootOf(head), naiveRoot(all), { diagnostic: false });
        const lowest = tiles.filter(({ level }) => level === 0);
        t.same(
          Buffer.concat([...lowest.map(({ hashes }) => hashes), ...(head.edge[0] ?? [])]),
          Buffer.concat(all),
        );
        t.same(
          lowest.map(({ index }) => index),
          lowest.map((_, n) => n),
        );
        return true;
      },
    ),
    { numRuns: 60 },
  );
  t.end();
});

test('tiles are right around their widths', (t) => {
  const many = Array.from({ length: TILE_WIDTH ** 2 + 1 }, (_, n) =>
    naiveLeaf(Buffer.of(n, n >> 8, n >> 16)),
  );
  for (const size of [0, 1, 255, 256, 257, 511, 512, 513]) {
    const all = many.slice(0, size);
    const { head, tiles } = grow(all, []);
    t.same(rootOf(head), naiveRoot(all), `${size}`);
    t.equal(tiles.length, Math.floor(size / 256), `${size}`);
  }
  const upper = Array.from({ length: TILE_WIDTH }, (_, n) =>
    naiveRoot(many.slice(n * TILE_WIDTH, (n + 1) * TILE_WIDTH)),
  );
  for (const size of [65_535, 65_536, 65_537]) {
    const all = many.slice(0, size);
    const { head, tiles } = grow(all, [256, 65_535]);
    t.same(rootOf(head), naiveRoot(all), `${size}`);
    const full = size >= 65_536;
    t.equal(tiles.filter(({ level }) => level === 0).length, full ? 256 : 255);
    t.same(
      tiles.filter(({ level }) => level === 1).map(({ index, hashes }) => [index, hashes]),
      full ? [[0, Buffer.concat(upper)]] : [],
    );
    t.same(head.edge[1], full ? [] : upper.slice(0, 255));
    t.same(head.edge[2], full ? [naiveRoot(many.slice(0, 65_536))] : undefined);
  }
  t.end();
});

test('an edge of the wrong length is refused', (t) => {
  const { head } = growTree(emptyHead, leaves.slice(0, 300));
  const edge = encodeEdge(head);
  t.same(decodeHead(300, edge), head);
  for (const [size, bytes] of [
    [299, edge],
    [301, edge],
    [300, edge.subarray(32)],
    [300, Buffer.concat([edge, Buffer.alloc(1)])],
    [0, edge],
  ] as const) {
    t.throws(() => decodeHead(size, bytes));
  }
  t.end();
});
