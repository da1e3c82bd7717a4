import fc from 'fast-check';
import { test, type Test } from 'tap';
import {
  createCompactRange,
  subtreeHeights,
  verifyConsistency,
  verifyInclusion,
} from '@muniment/audit-verify';
import { insertTiles } from '../../../proofs/tree/tile-queries.ts';
import { updateHead } from '../../../proofs/tree/tree-queries.ts';
import { emptyHead, growTree, type TreeHead } from '../../../proofs/tree/grow-tree.ts';
import { createTree, type Tree } from '../../../proofs/tree/tree.ts';
import { openLog, type Log } from '../../sealing/sealed-log.ts';
import { naiveConsistency, naiveLeaf, naivePath, naiveRoot } from './naive-tree.ts';

const SIZE = 65_536 + 700;
const leaves = Array.from({ length: SIZE }, (_, n) => naiveLeaf(Buffer.from(`leaf ${n}`)));

async function grow({ db }: Log, head: TreeHead, to: number): Promise<TreeHead> {
  const grown = growTree(head, leaves.slice(head.size, to));
  await db.transaction().execute(async (trx) => {
    if (grown.tiles.length > 0) await insertTiles(trx, grown.tiles);
    await updateHead(trx, head.size, grown.head);
  });
  return grown.head;
}

async function grown(t: Test, size = SIZE): Promise<Tree> {
  const log = await openLog(t);
  await grow(log, emptyHead, size);
  return createTree({ db: log.db, cachedTiles: 8 });
}

test('proofs are those of RFC 6962, for any past size of the tree', async (t) => {
  const tree = await grown(t, 1_500);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1_500 }),
      fc.nat(),
      fc.nat(),
      async (size, some, other) => {
        const all = leaves.slice(0, size);
        const index = some % size;
        const old = 1 + (other % size);
        t.same(await tree.root(size), naiveRoot(all));
        t.same(
          await tree.inclusionProof(index, size),
          naivePath(index, all),
          `leaf ${index} of ${size}`,
        );
        t.same(
          await tree.consistencyProof(old, size),
          naiveConsistency(old, all),
          `${old} to ${size}`,
        );
      },
    ),
    { numRuns: 80 },
  );
});

test('the proofs of a tree of three levels of tiles verify', async (t) => {
  const tree = await grown(t);
  const sizes = [255, 256, 257, 65_535, 65_536, 65_537, SIZE];
  for (const size of sizes) {
    const root = await tree.root(size);
    for (const index of [0, 1, 254, 255, 256, 65_279, 65_280, 65_535, 65_536, SIZE - 1].filter(
      (one) => one < size,
    )) {
      t.ok(
        verifyInclusion({
          index,
          size,
          leafHash: leaves[index] as Buffer,
          proof: await tree.inclusionProof(index, size),
          root,
        }),
        `leaf ${index} of ${size}`,
      );
    }
    for (const oldSize of sizes.filter((one) => one <= size)) {
      t.ok(
        verifyConsistency({
          oldSize,
          newSize: size,
          oldRoot: await tree.root(oldSize),
          newRoot: root,
          proof: await tree.consistencyProof(oldSize, size),
        }),
        `${oldSize} to ${size}`,
      );
    }
  }
});

test('the subtrees over ranges add up to the tree', async (t) => {
  const tree = await grown(t, 3_000);
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: 2_999 }), { maxLength: 6 }),
      async (cuts) => {
        const range = createCompactRange();
        const edges = [0, ...cuts.toSorted((a, b) => a - b), 3_000];
        for (let n = 1; n < edges.length; n += 1) {
          const [from, to] = [edges[n - 1] as number, edges[n] as number];
          const hashes = await tree.hashRange(from, to);
          for (const [at, height] of subtreeHeights(from, to).entries())
            range.appendSubtree(hashes[at] as Buffer, height);
        }
        t.same(range.root(), await tree.root(3_000));
      },
    ),
    { numRuns: 40 },
  );
  t.same(await tree.hashRange(7, 7), []);
});

test('a growing tree is followed, also in tiles that were partial when first read', async (t) => {
  const log = await openLog(t);
  const tree = createTree({ db: log.db });
  t.same(await tree.root(0), naiveRoot([]));
  let head = emptyHead;
  for (const size of [1, 200, 256, 300, 511, 512, 700]) {
    head = await grow(log, head, size);
    const all = leaves.slice(0, size);
    t.equal(await tree.size(), size);
    t.same(await tree.root(size), naiveRoot(all), `${size}`);
    t.same(await tree.inclusionProof(0, size), naivePath(0, all), `${size}`);
  }
  t.same(await tree.inclusionProof(100, 200), naivePath(100, leaves.slice(0, 200)));
});

test('ranges beyond the tree, or malformed, are refused', async (t) => {
  const tree = await grown(t, 300);
  const asks: (() => Promise<unknown>)[] = [
    () => tree.root(301),
    () => tree.root(-1),
    () => tree.root(1.5),
    () => tree.hashRange(5, 301),
    () => tree.hashRange(6, 5),
    () => tree.inclusionProof(300, 300),
    () => tree.inclusionProof(0, 301),
    () => tree.inclusionProof(-1, 10),
    () => tree.consistencyProof(0, 10),
    () => tree.consistencyProof(11, 10),
    () => tree.consistencyProof(1, 301),
    () => tree.tile(0, 1, 45),
    () => tree.tile(1, 0, 2),
    () => tree.tile(0, 2 ** 60, 1),
    () => tree.tile(20, 0, 1),
  ];
  for (const ask of asks) await t.rejects(ask(), RangeError, ask.toString());
});

test('tiles are read full and partial', async (t) => {
  const tree = await grown(t, 65_536 + 300);
  t.same(await tree.tile(0, 0, 256), Buffer.concat(leaves.slice(0, 256)));
  t.same(await tree.tile(0, 0, 3), Buffer.concat(leaves.slice(0, 3)));
  t.same(await tree.tile(0, 257, 44), Buffer.concat(leaves.slice(65_792, 65_836)));
  t.same(await tree.tile(1, 1, 1), naiveRoot(leaves.slice(65_536, 65_792)));
  t.same(await tree.tile(2, 0, 1), naiveRoot(leaves.slice(0, 65_536)));
});
