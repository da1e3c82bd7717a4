import fc from 'fast-check';
import { test } from 'tap';
import { checkFileName, nameOfUpload } from '../../files/file-name.ts';

test('names are refused for what they must not hold', async (t) => {
  for (const bad of [
    '',
    ' ',
    '.',
    '..',
    'a/b',
    'a\\b',
    'a\0b',
    'a\nb',
    'a\u007f',
    'a\u0085',
    'a\u2028',
    'a\u202eb',
    'a\u2066b',
    '\ud800',
    'x\udc00',
    'a'.repeat(256),
    'é'.repeat(128),
  ]) {
    t.throws(
      () => checkFileName(bad),
      /^The name /,
      Buffer.from(bad, 'utf16le').toString('hex', 0, 20),
    );
  }
  for (const good of [
    'a',
    '.a',
    '...',
    'a'.repeat(255),
    'é'.repeat(127),
    '日本語.txt',
    'a b',
    '👩‍👩‍👧',
  ])
    t.equal(checkFileName(good), good);
  t.equal(checkFileName('e\u0301'), 'é');
});

test('whatever is accepted is NFC, short, and no path', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      let name: string;
      try {
        name = nameOfUpload(text);
      } catch (error) {
        return error instanceof Error && 'statusCode' in error && error.statusCode === 400;
      }
      return (
        name === name.normalize('NFC') &&
        Buffer.byteLength(name) <= 255 &&
        name.isWellFormed() &&
        !/[/\\\0]/.test(name) &&
        name !== '.' &&
        name !== '..' &&
        checkFileName(name) === name
      );
    }),
    { numRuns: 2_000 },
  );
});
