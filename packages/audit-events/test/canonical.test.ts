import { test } from 'tap';
import { canonicalJson, cleanText } from '../src/canonical.ts';

test('keys are sorted by UTF-16 code units and numbers are written as RFC 8785 says', (t) => {
  t.equal(
    canonicalJson({ b: 1e21, a: [1.0, -0, 0.000001], '€': '\u0007"', '\ud83d\ude00': null }),
    '{"a":[1,0,0.000001],"b":1e+21,"€":"\\u0007\\"","😀":null}',
  );
  t.end();
});

test('what JSON cannot carry is refused', (t) => {
  for (const value of [NaN, Infinity, undefined, 'half of a pair: \ud800', { key: ['\udc00'] }])
    t.throws(() => canonicalJson(value));
  t.end();
});

test('text is made well-formed, loses NUL and is cut at whole characters', (t) => {
  t.equal(cleanText('a\ud800b\0c', 100), 'a\ufffdbc');
  t.equal(cleanText('a'.repeat(600), 512), 'a'.repeat(512));
  const cut = cleanText('é€😀'.repeat(100), 512);
  t.ok(Buffer.byteLength(cut) <= 512 && Buffer.byteLength(cut) > 508);
  t.ok('é€😀'.repeat(100).startsWith(cut));
  t.end();
});
