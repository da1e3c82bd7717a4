import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadMasterKey } from '@muniment/master-key';
import { test } from 'tap';
import { loadSecrets } from '../../../src/fleet/plan/secrets.ts';
import { folder } from '../fake-fleet.ts';

test('secrets are created once, differ, and are readable by their owner only', async (t) => {
  const data = folder(t);
  const first = loadSecrets(data, path.join(data, 'postgres'));
  t.equal(new Set(Object.values(first.secrets)).size, 9);
  t.ok(
    Object.values(first.secrets).every((secret) => /^[\w-]{32}$/.test(secret)),
    'safe in a URL as they are',
  );
  t.same(loadSecrets(data, path.join(data, 'postgres')), first);
  t.equal(statSync(path.join(data, 'secrets')).mode & 0o777, 0o700);
  for (const name of [
    'master.key',
    'passwords.json',
    'gateway-secret',
    'metrics-token',
    'mail-password',
  ])
    t.equal(statSync(path.join(data, 'secrets', name)).mode & 0o777, 0o600);
  await t.resolves(loadMasterKey(first.masterKeyFile));
});

test('a database without its secrets is an error, and no new ones are created', (t) => {
  const data = folder(t);
  const database = path.join(data, 'postgres');
  loadSecrets(data, database);
  mkdirSync(database);
  writeFileSync(path.join(database, 'PG_VERSION'), '18\n');
  rmSync(path.join(data, 'secrets/master.key'));
  t.throws(() => loadSecrets(data, database), {
    name: 'FleetError',
    message: /master\.key is missing/,
  });
  t.end();
});

test('a database outside the data folder that lost its secrets is named', (t) => {
  const [data, database] = [folder(t), folder(t)];
  writeFileSync(path.join(database, 'PG_VERSION'), '18\n');
  t.throws(() => loadSecrets(data, database), {
    name: 'FleetError',
    message: `needs it. Restore it, or remove ${database} and ${data} with all their data.`,
  });
  t.notOk(existsSync(path.join(data, 'secrets')));
  t.end();
});

test('secrets are flushed before their names, then the folders are flushed', (t) => {
  const data = folder(t);
  const trace = path.join(data, 'trace.json');
  const source = path.join(import.meta.dirname, '../../../src/fleet/plan/secrets.ts');
  const script =
    `import { loadSecrets } from ${JSON.stringify(source)};` +
    `loadSecrets(${JSON.stringify(data)}, '/nowhere');`;
  // Node's trace records each file operation.
  const run = spawnSync(
    process.execPath,
    [
      '--trace-event-categories',
      'node.fs.sync',
      '--trace-event-file-pattern',
      trace,
      '--input-type=module',
      '-e',
      script,
    ],
    { encoding: 'utf8' },
  );
  t.equal(run.status, 0, run.stderr);
  const { traceEvents }: { traceEvents: { name: string; ph: string; ts: number }[] } = JSON.parse(
    readFileSync(trace, 'utf8'),
  );
  const order = traceEvents
    .filter(({ ph }) => ph === 'B')
    .toSorted((a, b) => a.ts - b.ts)
    .flatMap(({ name }) => /^fs\.sync\.(fsync|rename)$/.exec(name)?.[1] ?? []);
  const durable = ['fsync', 'rename', 'fsync'];
  const folders = ['fsync', 'fsync'];
  const files = [...durable, ...durable, ...durable];
  t.same(order, [...durable, ...durable, ...folders, ...files]);
  t.end();
});
