import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import pg from 'pg';
import { createTestDatabase } from '@muniment/testing';
import { generateMasterKey } from '@muniment/master-key';
import { lockRotation } from '../../../scripts/keys/rewrap.ts';

const script = join(import.meta.dirname, '../../../scripts/keys/rotate-master-key.ts');

test('a second rotation at the same time changes nothing', async (t) => {
  const database = await createTestDatabase(t);
  const owner = new pg.Client({ connectionString: database.url('migrator') });
  await owner.connect();
  t.teardown(() => owner.end());
  const before = `${generateMasterKey()}\n`;
  const file = join(t.testdirName, 'master.key');
  const DATA = t.testdir({
    'master.key': before,
    'fleet.json': JSON.stringify({
      masterKeyFile: file,
      postgres: { url: database.url('migrator') },
    }),
  });
  const run = () =>
    spawnSync(process.execPath, [script], {
      encoding: 'utf8',
      env: { ...process.env, MASTER_KEY_FILE: '', DATABASE_OWNER_URL: '', DATA },
    });

  t.equal(await lockRotation(owner), true);
  const second = run();
  t.equal(second.status, 1);
  t.match(second.stderr, 'under way');
  t.equal(readFileSync(file, 'utf8'), before);

  await owner.query('select pg_advisory_unlock_all()');
  const { status, stdout, stderr } = run();
  t.equal(status, 0, stderr);
  const after = readFileSync(file, 'utf8');
  t.match(after, /^[A-Za-z0-9+/=]{44}\n$/);
  t.not(after, before);
  t.notOk(`${stdout}${stderr}`.includes(after.trim()), 'the key is not printed');
});

test('in containers the key is written too, and stays readable for their users', async (t) => {
  const database = await createTestDatabase(t);
  const before = `${generateMasterKey()}\n`;
  const folder = t.testdir({ key: before });
  const file = join(folder, 'key');
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [script, ...words], {
      encoding: 'utf8',
      env: { ...process.env, MASTER_KEY_FILE: file, DATABASE_OWNER_URL: database.url('migrator') },
    });
  t.equal(run().status, 0);
  t.equal(readFileSync(file, 'utf8'), before, 'without --shared it only rewraps');
  const { status, stderr } = run('--shared');
  t.equal(status, 0, stderr);
  t.match(readFileSync(file, 'utf8'), /^[A-Za-z0-9+/=]{44}\n$/);
  t.not(readFileSync(file, 'utf8'), before);
  t.equal(statSync(file).mode & 0o777, 0o444);
});
