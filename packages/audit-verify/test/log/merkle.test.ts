import fc from 'fast-check';
import { test } from 'tap';
import {
  emptyRoot,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
  type Consistency,
  type Inclusion,
} from '../../src/index.ts';
import { consistencyProof, inclusionProof, treeRoot } from './reference-tree.ts';
import {
  CONSISTENCY_PROOFS,
  EMPTY_ROOT,
  hex,
  INCLUSION_PROOFS,
  LEAVES,
  NODES,
  ROOTS,
} from './vectors.ts';

const at = <Item>(items: readonly Item[], index: number): Item => items[index] as Item;
const someHash = hex('abacaba000000000000000000000000000000000000000000060061e00123456');
const flip = (hash: Uint8Array, bit: number): Buffer => {
  const other = Buffer.from(hash);
  const byte = Math.floor(bit / 8);
  other[byte] = at([...other], byte) ^ (1 << (bit % 8));
  return other;
};

test('hashes equal those of the reference implementation', (t) => {
  t.same(emptyRoot, EMPTY_ROOT);
  t.same(LEAVES.map(leafHash), at(NODES, 0));
  for (let height = 1; height < NODES.length; height += 1) {
    for (const [index, node] of at(NODES, height).entries()) {
      t.same(
        nodeHash(at(at(NODES, height - 1), 2 * index), at(at(NODES, height - 1), 2 * index + 1)),
        node,
      );
    }
  }
  t.throws(() => nodeHash(Buffer.alloc(31), Buffer.alloc(32)), RangeError);
  t.end();
});

test('only unaltered reference inclusion proofs verify', (t) => {
  for (const { index, size, proof } of INCLUSION_PROOFS) {
    const good: Inclusion = {
      index,
      size,
      leafHash: leafHash(at(LEAVES, index)),
      proof,
      root: at(ROOTS, size - 1),
    };
    t.ok(verifyInclusion(good), `${index} in ${size}`);
    const wrong: Partial<Inclusion>[] = [
      { index: index - 1 },
      { index: index + 1 },
      { index: index ^ 2 },
      { size: size * 2 },
      { size: Math.floor(size / 2) },
      { size: 0 },
      { index: 0.5 },
      { size: Number.NaN },
      { leafHash: Buffer.from('WrongLeaf') },
      { leafHash: someHash },
      { root: EMPTY_ROOT },
      { root: someHash },
      { root: Buffer.alloc(0) },
      { proof: [...proof, Buffer.alloc(0)] },
      { proof: [...proof, good.root] },
      { proof: [Buffer.alloc(0), ...proof] },
      { proof: [good.root, ...proof] },
      ...proof.map((hash, n) => ({ proof: proof.with(n, flip(hash, 3)) })),
      ...(proof.length > 0 ? [{ proof: proof.slice(0, -1) }, { proof: proof.slice(1) }] : []),
    ];
    for (const change of wrong)
      t.notOk(
        verifyInclusion({ ...good, ...change }),
        `${index} in ${size}, ${JSON.stringify(change)}`,
      );
  }
  t.end();
});

test('only unaltered reference consistency proofs verify', (t) => {
  for (const { oldSize, newSize, proof } of CONSISTENCY_PROOFS) {
    const good: Consistency = {
      oldSize,
      newSize,
      oldRoot: at(ROOTS, oldSize - 1),
      newRoot: at(ROOTS, newSize - 1),
      proof,
    };
    t.ok(verifyConsistency(good), `${oldSize} to ${newSize}`);
    if (proof.length === 0) continue;
    const wrong: Partial<Consistency>[] = [
      { oldSize: oldSize - 1 },
      { oldSize: oldSize + 1 },
      { oldSize: oldSize ^ 2 },
      { newSize: newSize * 2 },
      { newSize: Math.floor(newSize / 2) },
      { newSize: Number.POSITIVE_INFINITY },
      { oldRoot: Buffer.from('WrongRoot') },
      { newRoot: Buffer.from('WrongRoot') },
      { oldRoot: good.newRoot, newRoot: good.oldRoot },
      { proof: [] },
      ...[Buffer.alloc(0), good.oldRoot, good.newRoot, at(proof, 0)].flatMap((extra) => [
        { proof: [...proof, extra] },
        { proof: [extra, ...proof] },
      ]),
      { proof: proof.slice(0, -1) },
      ...proof.map((hash, n) => ({ proof: proof.with(n, flip(hash, 4)) })),
    ];
    for (const change of wrong)
      t.notOk(
        verifyConsistency({ ...good, ...change }),
        `${oldSize} to ${newSize}, ${JSON.stringify(change)}`,
      );
  }
  t.end();
});

test('the empty tree and an equal size accept only an empty proof', (t) => {
  const sizes = { oldSize: 0, newSize: 3, oldRoot: emptyRoot, newRoot: at(ROOTS, 2), proof: [] };
  t.ok(verifyConsistency(sizes));
  t.notOk(verifyConsistency({ ...sizes, proof: [someHash] }));
  t.notOk(verifyConsistency({ ...sizes, oldRoot: someHash }), 'an empty tree has one root');
  t.ok(
    verifyConsistency({ oldSize: 3, newSize: 3, oldRoot: someHash, newRoot: someHash, proof: [] }),
  );
  t.notOk(
    verifyConsistency({ oldSize: 3, newSize: 3, oldRoot: someHash, newRoot: emptyRoot, proof: [] }),
  );
  t.notOk(
    verifyConsistency({ oldSize: 4, newSize: 3, oldRoot: someHash, newRoot: someHash, proof: [] }),
    'no log grows backwards',
  );
  t.end();
});

const trees = fc
  .integer({ min: 1, max: 200 })
  .map((size) => Array.from({ length: size }, (_, n) => leafHash(Buffer.from(`leaf ${n}`))));

test('each RFC 6962 inclusion proof verifies for its leaf alone', (t) => {
  fc.assert(
    fc.property(trees, fc.nat(), fc.nat(), (hashes, chosen, other) => {
      const index = chosen % hashes.length;
      const inclusion = {
        index,
        size: hashes.length,
        leafHash: at(hashes, index),
        proof: inclusionProof(hashes, index),
        root: treeRoot(hashes),
      };
      if (!verifyInclusion(inclusion)) return false;
      const wrong = other % hashes.length;
      return (
        wrong === index ||
        (!verifyInclusion({ ...inclusion, index: wrong }) &&
          !verifyInclusion({ ...inclusion, leafHash: at(hashes, wrong) }))
      );
    }),
  );
  t.end();
});

test('each RFC 6962 consistency proof verifies for its history alone', (t) => {
  fc.assert(
    fc.property(trees, fc.nat(), fc.nat(), (hashes, chosen, altered) => {
      const oldSize = 1 + (chosen % hashes.length);
      const consistency = {
        oldSize,
        newSize: hashes.length,
        oldRoot: treeRoot(hashes.slice(0, oldSize)),
        newRoot: treeRoot(hashes),
        proof: consistencyProof(hashes, oldSize),
      };
      const rewritten = hashes.with(altered % oldSize, someHash);
      return (
        verifyConsistency(consistency) &&
        !verifyConsistency({
          ...consistency,
          newRoot: treeRoot(rewritten),
          proof: consistencyProof(rewritten, oldSize),
        }) &&
        !verifyConsistency({ ...consistency, oldRoot: treeRoot(rewritten.slice(0, oldSize)) })
      );
    }),
  );
  t.end();
});
