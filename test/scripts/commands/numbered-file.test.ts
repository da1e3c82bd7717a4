import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';
import { parseName, writeNumberedFile } from '../../../scripts/commands/numbered-file.ts';

const ROOT = join(import.meta.dirname, '../../..');

test('a new migration follows the highest number, whatever numbers are missing', async (t) => {
  const folder = t.testdir({ '0001_a.ts': '', '0009_b.ts': '', 'README.md': '' });
  t.equal(
    await writeNumberedFile(folder, 'create_table', 'x'),
    join(folder, '0010_create_table.ts'),
  );
  t.strictSame((await readdir(folder)).sort(), [
    '0001_a.ts',
    '0009_b.ts',
    '0010_create_table.ts',
    'README.md',
  ]);
});

test('a name is a file name, never a path', (t) => {
  t.equal(parseName('create-table-name', ''), 'create_table_name');
  t.equal(parseName('Add Phone', ''), 'add_phone');
  for (const name of [undefined, '', '../x', 'a/b', '0a', 'a;b', 'é', 'a'.repeat(61)])
    t.throws(() => parseName(name, 'make x NAME=y'), /is invalid.*make x NAME=y/, String(name));
  t.end();
});

/** What make would run for an npm script. */
const commandOf = (script: string, ...words: string[]): string =>
  execFileSync('npm', ['run', '--silent', script, ...(words.length > 0 ? ['--', ...words] : [])], {
    cwd: ROOT,
    env: { ...process.env, MAKEFLAGS: '-n --assume-old=node_modules/.bootstrapped' },
    encoding: 'utf8',
  });

test("seed 003's npm scripts are the make targets", (t) => {
  const name = ['--name', 'create-table-name'];
  t.match(commandOf('migration:create', ...name), /migration\.ts create +--name create-table-name/);
  t.match(commandOf('migration:up'), /migration\.ts up/);
  t.match(commandOf('migration:down'), /migration\.ts down/);
  t.match(commandOf('seed:create', '--name', 'seed-name'), /seed\.ts create +--name seed-name/);
  t.match(commandOf('seed:up'), /seed\.ts up/);
  t.match(commandOf('seed:down'), /seed\.ts down/);
  t.end();
});
