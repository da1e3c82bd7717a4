import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
