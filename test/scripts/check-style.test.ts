import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type Test } from 'tap';
import { findViolations, measureStyle, median, renderTotals } from '../../scripts/check-style.ts';
import { countCommentWords, listLongLines } from '../../scripts/checks/text-measures.ts';

const functionOf = (lines: number): string =>
  `export function long() {\n${'  work();\n'.repeat(lines - 2)}}\n`;

/** Outside of the checkout: oxlint passes over what its .gitignore names, as tap's own folders. */
function measure(t: Test, files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'muniment-style-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, 'src', path)), { recursive: true });
    writeFileSync(join(root, 'src', path), text);
  }
  return measureStyle(root, ['src']);
}

test('short lines, functions and comments have no violation', async (t) => {
  const style = measure(t, { 'a.ts': `// A short comment.\n${functionOf(60)}` });
  t.same(findViolations(style), []);
  t.match(renderTotals(style)[0], '1 files, 61 lines, 0 over 100 columns');
});

test('lines over 100 columns are counted in characters', async (t) => {
  t.same(listLongLines(`${'→'.repeat(100)}\n${'a'.repeat(101)}\n`), [2]);
  const style = measure(t, { 'a.ts': `${'a;\n'.repeat(50)}// ${'b'.repeat(100)}\n` });
  t.same(style.longLines, ['src/a.ts:51']);
  t.match(findViolations(style), [/^lines: 1.96 % are over 100 columns/]);
});

test('a function over 100 lines is named, wherever it stands', async (t) => {
  const style = measure(t, { 'a.ts': `\n${functionOf(101)}`, 'b.ts': functionOf(100) });
  const [violation] = findViolations(style);
  t.match(violation, /^src\/a\.ts:2: function `long` has 101 lines, at most 100/);
  t.equal(findViolations(style).length, 1);
});

test('ten functions over 60 lines are too many', async (t) => {
  const files = Array.from({ length: 10 }, (_, n) => [`${n}.ts`, functionOf(61)] as const);
  const style = measure(t, Object.fromEntries(files));
  t.match(findViolations(style), [/^functions: 10 have over 60 lines, at most 9 may/]);
});

test('long functions in test files and migrations are no violation', async (t) => {
  const style = measure(t, {
    'test/a.test.ts': functionOf(101),
    'migrations/0001_a.ts': functionOf(120),
  });
  t.same(findViolations(style), []);
  t.equal(style.testFunctions.length, 1);
});

test('the words of comments are counted without their marks', async (t) => {
  const text = [
    '/** Four words of text. */',
    'const a = 1; // Two words',
    '// One comment that',
    '// runs on two lines.',
    '/*',
    ' * Three more words.',
    ' */',
    '// oxlint-disable-next-line no-console',
    "const url = 'http://example.com';",
    '',
  ].join('\n');
  t.same(countCommentWords(text), [4, 2, 7, 3]);
  t.equal(median([1, 9, 3]), 3);
  t.equal(median([1, 3, 5, 9]), 4);
  const style = measure(t, { 'a.ts': `// ${'word '.repeat(13)}\n` });
  t.match(findViolations(style), [/^comments: the median has 13 words/]);
});

test('files over 200 lines are only listed', async (t) => {
  const style = measure(t, { 'a.ts': 'a;\n'.repeat(201), 'b.ts': 'b;\n'.repeat(200) });
  t.same(style.longFiles, ['src/a.ts: 201 lines']);
  t.same(findViolations(style), []);
});
