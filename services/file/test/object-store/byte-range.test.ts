import fc from 'fast-check';
import { test } from 'tap';
import { parseRange } from '../../object-store/byte-range.ts';

test('single ranges by RFC 9110 §14.1.2', async (t) => {
  for (const [header, size, expected] of [
    ['bytes=0-0', 10, { start: 0, end: 0 }],
    ['bytes=0-', 10, { start: 0, end: 9 }],
    ['bytes=2-99', 10, { start: 2, end: 9 }],
    ['bytes=-3', 10, { start: 7, end: 9 }],
    ['bytes=-99', 10, { start: 0, end: 9 }],
    ['BYTES= 1-2 ', 10, { start: 1, end: 2 }],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=99999999999999999999-', 10, 'unsatisfiable'],
    ['bytes=-0', 10, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-1', 0, undefined],
    ['bytes=-0', 0, 'unsatisfiable'],
    ['bytes=-000', 10, 'unsatisfiable'],
    ['bytes=-99999999999999999999', 10, { start: 0, end: 9 }],
    ['bytes=5-2', 10, undefined],
    ['bytes=99999999999999999999-99999999999999999998', 10, undefined],
    ['bytes=-', 10, undefined],
    ['bytes=a-b', 10, undefined],
    ['bytes=1-2,4-5', 10, undefined],
    ['lines=1-2', 10, undefined],
    ['', 10, undefined],
    [undefined, 10, undefined],
  ] as const)
    t.strictSame(parseRange(header, size), expected, `${header} of ${size}`);
});

/** An independent answer: tests each byte against the header. */
function bytesNamed(first: number | undefined, last: number | undefined, size: number): number[] {
  const all = Array.from({ length: size }, (_, i) => i);
  if (first === undefined) return all.filter((i) => i >= size - (last ?? 0));
  return all.filter((i) => i >= first && (last === undefined || i <= last));
}

test('the range is exactly the bytes that the header names', async () => {
  const position = fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined });
  fc.assert(
    fc.property(position, position, fc.integer({ min: 0, max: 25 }), (first, last, size) => {
      fc.pre(first !== undefined || last !== undefined);
      const range = parseRange(`bytes=${first ?? ''}-${last ?? ''}`, size);
      if (first !== undefined && last !== undefined && last < first) return range === undefined;
      // A suffix of an empty file is the whole of it.
      if (size === 0 && first === undefined && last !== 0) return range === undefined;
      const named = bytesNamed(first, last, size);
      if (named.length === 0) return range === 'unsatisfiable';
      return typeof range === 'object' && range.start === named[0] && range.end === named.at(-1);
    }),
    { numRuns: 2_000 },
  );
});

test('any Range text gives the whole file, nothing, or a range within it', async () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .string({ unit: fc.constantFrom('b', 'y', 't', 'e', 's', '=', '-', ',', ' ', '0', '7', '9') })
      .map((rest) => `bytes=${rest}`),
  );
  fc.assert(
    fc.property(text, fc.nat({ max: 1_000 }), (header, size) => {
      const range = parseRange(header, size);
      return (
        typeof range !== 'object' ||
        (range.start >= 0 && range.start <= range.end && range.end < size)
      );
    }),
    { numRuns: 5_000 },
  );
});
