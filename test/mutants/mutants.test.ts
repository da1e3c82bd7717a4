import { existsSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { test } from 'tap';
import { MUTANTS } from './mutants.ts';

const root = join(import.meta.dirname, '../..');
const mutants = Object.values(MUTANTS).flat();

// Node warns that stripTypeScriptTypes is experimental.
process.removeAllListeners('warning');

test('every mutant fits the code, stays code, and names tests that exist', (t) => {
  for (const { name, file, find, replace, tests } of mutants) {
    const parts = readFileSync(join(root, file), 'utf8').split(find);
    t.equal(parts.length, 2, `${name}: ${file} holds the text once`);
    if (file.endsWith('.ts'))
      t.doesNotThrow(() => stripTypeScriptTypes(parts.join(replace)), `${name}: is code`);
    t.ok(tests.length > 0, `${name}: has tests`);
    for (const path of tests) t.ok(existsSync(join(root, path)), `${name}: ${path}`);
  }
  t.end();
});

test('the names of mutants are unique', (t) => {
  const names = mutants.map(({ name }) => name);
  t.strictSame(names.toSorted(), [...new Set(names)].toSorted());
  t.end();
});
