import fc from 'fast-check';
import { test } from 'tap';
import { createCompactRange, emptyRoot, leafHash, subtreeHeights } from '../../src/index.ts';
import { treeRoot } from './reference-tree.ts';
import { LEAVES, NODES, ROOTS } from './vectors.ts';

test('grows through the roots of the reference implementation', (t) => {
  const range = createCompactRange();
  t.same(range.root(), emptyRoot);
  for (const [n, leaf] of LEAVES.entries()) {
    range.append(leafHash(leaf));
    t.equal(range.size, n + 1);
    t.same(range.root(), ROOTS[n]);
  }
  t.same(range.peaks(), NODES[3]);
  t.end();
});

const hashes = Array.from({ length: 300 }, (_, n) => leafHash(Buffer.of(n % 256, n >> 8)));

test('takes any cut into complete subtrees for the leaves themselves', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 300 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 300 }),
      (cuts, size) => {
        const range = createCompactRange();
        const ends = [...new Set([...cuts.filter((cut) => cut < size), size])].toSorted(
          (a, b) => a - b,
        );
        let from = 0;
        for (const [n, to] of ends.entries()) {
          if (n % 2 === 0) for (const hash of hashes.slice(from, to)) range.append(hash);
          else {
            for (const height of subtreeHeights(from, to)) {
              range.appendSubtree(treeRoot(hashes.slice(from, from + 2 ** height)), height);
              from += 2 ** height;
            }
          }
          from = to;
        }
        return range.size === size && range.root().equals(treeRoot(hashes.slice(0, size)));
      },
    ),
  );
  t.end();
});

test('goes on from the peaks of a tree', (t) => {
  const first = createCompactRange();
  for (const hash of hashes.slice(0, 77)) first.append(hash);
  const second = createCompactRange(77, first.peaks());
  second.append(hashes[77] as Buffer);
  t.same(second.root(), treeRoot(hashes.slice(0, 78)));
  t.same(first.root(), treeRoot(hashes.slice(0, 77)), 'the first is not touched');
  t.throws(() => createCompactRange(77, first.peaks().slice(1)), RangeError);
  t.end();
});

test('an impossible subtree or hash length is refused', (t) => {
  const range = createCompactRange();
  const hash = hashes[0] as Buffer;
  range.append(hash);
  t.throws(() => range.appendSubtree(hash, 1), RangeError);
  t.throws(() => range.append(hash.subarray(1)), RangeError);
  const huge = createCompactRange(2 ** 52, [hash]);
  huge.append(hash);
  t.throws(() => huge.appendSubtree(hash, 53), RangeError);
  t.equal(huge.size, 2 ** 52 + 1);
  t.end();
});

test('a range of leaves is covered by the fewest subtrees', (t) => {
  t.same(subtreeHeights(0, 8), [3]);
  t.same(subtreeHeights(1, 8), [0, 1, 2]);
  t.same(subtreeHeights(3, 14), [0, 2, 2, 1]);
  t.same(subtreeHeights(5, 5), []);
  t.same(subtreeHeights(2 ** 40, 2 ** 40 + 3), [1, 0]);
  t.end();
});
