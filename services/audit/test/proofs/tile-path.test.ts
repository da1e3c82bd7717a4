import fc from 'fast-check';
import { test } from 'tap';
import { formatTilePath, parseTilePath } from '../../proofs/tile-path.ts';

test('paths are those of the specification', (t) => {
  for (const [path, index, width] of [
    ['000', 0, 256],
    ['x001/x234/067', 1_234_067, 256],
    ['x001/x234/067.p/5', 1_234_067, 5],
    ['x001/000', 1_000, 256],
    ['999.p/255', 999, 255],
  ] as const) {
    t.same(parseTilePath(path), { index, width }, path);
    t.equal(formatTilePath({ index, width }), path);
  }
  t.end();
});

test('every tile has exactly one path, and other texts are refused', (t) => {
  fc.assert(
    fc.property(
      fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      fc.integer({ min: 1, max: 256 }),
      (index, width) => {
        t.same(parseTilePath(formatTilePath({ index, width })), { index, width });
      },
    ),
    { numRuns: 50 },
  );
  for (const path of [
    '',
    '0',
    '00',
    '0000',
    'x000/000',
    'x001',
    'x001/',
    '/000',
    '000/',
    '001/000',
    'x001/x000',
    '000.p/0',
    '000.p/256',
    '000.p/257',
    '000.p/01',
    '000.p/',
    '000.p',
    '-01',
    'x999/x999/x999/x999/x999/999',
    '../000',
    '00a',
    '000.p/1/2',
  ]) {
    t.equal(parseTilePath(path), undefined, path);
  }
  t.end();
});
