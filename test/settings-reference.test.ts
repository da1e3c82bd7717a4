import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'tap';
import { renderReference, withTable } from '../scripts/settings-reference.ts';
import { settings as auditSettings } from '../services/audit/config.ts';
import { settings as fileSettings } from '../services/file/config.ts';
import { settings as userSettings } from '../services/user/config.ts';

const root = join(import.meta.dirname, '..');

test('settings.md and .env.example match the config schemas', (t) => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['scripts/settings-reference.ts', '--check'],
    { cwd: root, encoding: 'utf8' },
  );
  t.equal(status, 0, stderr);
  t.end();
});

test('both files name every setting of every service once', (t) => {
  const { table, env } = renderReference();
  const names = new Set(
    [userSettings, fileSettings, auditSettings].flatMap((schema) => Object.keys(schema.properties)),
  );
  t.ok(names.size > 30);
  for (const name of names) {
    t.equal(table.split(`| \`${name}\` |`).length - 1, 1, `${name} in the table`);
    t.equal(
      env.split('\n').filter((line) => line.replace(/^#/, '').startsWith(`${name}=`)).length,
      1,
      `${name} in .env.example`,
    );
  }
  t.end();
});

test('only required settings are uncommented in .env.example', (t) => {
  const set = renderReference()
    .env.split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  t.same(set, [
    'PORT=',
    'GATEWAY_SECRET_FILE=',
    'DATABASE_URL=',
    'MASTER_KEY_FILE=',
    'SMTP_URL=',
    'MAIL_FROM=',
    'AUDIT_KEY_FILE=',
  ]);
  t.end();
});

test('the reference does not depend on the process that writes it', (t) => {
  const { table, env } = renderReference();
  t.match(table, '<host>-<pid>');
  t.notMatch(table + env, `-${process.pid}`);
  t.end();
});

test('a stale table is replaced and the text around it stays', (t) => {
  const { table } = renderReference();
  const text = readFileSync(join(root, 'docs/operations/settings.md'), 'utf8');
  const stale = text.replace('| `PORT` |', '| `PROT` |');
  t.not(stale, text);
  t.equal(withTable(stale, table), text);
  t.throws(() => withTable('no markers here', table), /markers/);
  t.end();
});
