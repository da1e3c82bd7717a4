import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadMasterKey } from '@muniment/master-key';
import { test } from 'tap';
import { loadSecrets } from '../../src/fleet/secrets.ts';
import { folder } from './fake-fleet.ts';

test('secrets are made once, differ, are readable by their owner only, and the master key loads', async (t) => {
  const data = folder(t);
  const first = loadSecrets(data);
  t.equal(new Set(Object.values(first.secrets)).size, 9);
  t.ok(Object.values(first.secrets).every((secret) => /^[\w-]{32}$/.test(secret)), 'safe in a URL as they are');
  t.same(loadSecrets(data), first);
  t.equal(statSync(path.join(data, 'secrets')).mode & 0o777, 0o700);
  for (const name of ['master.key', 'passwords.json']) t.equal(statSync(path.join(data, 'secrets', name)).mode & 0o777, 0o600);
  await t.resolves(loadMasterKey(first.masterKeyFile));
});

test('a database without its secrets is an error, not a fleet with new ones', (t) => {
  const data = folder(t);
  loadSecrets(data);
  mkdirSync(path.join(data, 'postgres'));
  writeFileSync(path.join(data, 'postgres/PG_VERSION'), '18\n');
  rmSync(path.join(data, 'secrets/master.key'));
  t.throws(() => loadSecrets(data), { name: 'FleetError', message: /master\.key is missing/ });
  t.end();
});
