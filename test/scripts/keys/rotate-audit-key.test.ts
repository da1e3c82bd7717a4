import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { generateSigningKey, loadLogKeys } from '@muniment/audit-key';

const script = join(import.meta.dirname, '../../../scripts/keys/rotate-audit-key.ts');
const run = (...args: string[]) =>
  spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });

test('a rotated file signs with the new key, and the public file names all keys', async (t) => {
  const first = generateSigningKey('example.com/log');
  const file = join(t.testdir({ 'audit-key': `${first.signingKey}\n` }), 'audit-key');
  const { status, stdout, stderr } = run('--overlap', file);
  t.equal(status, 0, stderr);
  t.notMatch(stdout, /PRIVATE/);
  t.equal((await loadLogKeys(file, 'example.com/log')).signers.length, 2);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.equal(run(file).status, 0);
  const keys = await loadLogKeys(file, 'example.com/log');
  t.equal(keys.signers.length, 1);
  t.equal(keys.verifiers.length, 3);
  const published = readFileSync(`${file}.pub`, 'utf8').trimEnd().split('\n');
  t.equal(published.length, 3);
  t.equal(published[2], first.verifierKey);
  t.notMatch(published.join(), /PRIVATE/);
});

test('in containers the rotated files stay readable for the user of the services', (t) => {
  const { signingKey } = generateSigningKey('example.com/log');
  const file = join(t.testdir({ key: `${signingKey}\n` }), 'key');
  t.equal(run('--shared', file).status, 0);
  for (const name of [file, `${file}.pub`]) t.equal(statSync(name).mode & 0o777, 0o444);
  t.end();
});

test('a key whose public line cannot be written is not used', async (t) => {
  const first = generateSigningKey('example.com/log');
  // A folder stands where the public file belongs.
  const file = join(
    t.testdir({ 'audit-key': `${first.signingKey}\n`, 'audit-key.pub': {} }),
    'audit-key',
  );
  t.not(run(file).status, 0);
  t.equal(readFileSync(file, 'utf8'), `${first.signingKey}\n`);
});

test('without a key file it prints its usage and creates nothing', (t) => {
  t.equal(run().status, 2);
  t.not(run('/nowhere/audit-key').status, 0);
  t.end();
});
