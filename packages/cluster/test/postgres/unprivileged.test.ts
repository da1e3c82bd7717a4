import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { type PostgresRuntime, postgresRuntime } from '../../src/postgres/unprivileged.ts';
import { folder } from '../fleet/fake-fleet.ts';

// As in a container with Docker's default capabilities.
function withoutCapability(dataDir: string): { runtime?: PostgresRuntime; error?: string } {
  const script = `import { postgresRuntime } from ${JSON.stringify(path.join(import.meta.dirname, '../../src/postgres/unprivileged.ts'))};
    try { console.log(JSON.stringify({ runtime: postgresRuntime(${JSON.stringify(dataDir)}) })); } catch (error) { console.log(JSON.stringify({ error: error.message })); }`;
  const run = spawnSync(
    'setpriv',
    [
      '--bounding-set=-dac_read_search',
      '--inh-caps=-dac_read_search',
      process.execPath,
      '--input-type=module',
      '-e',
      script,
    ],
    { encoding: 'utf8' },
  );
  return JSON.parse(run.stdout);
}

const asRoot =
  process.getuid?.() === 0 &&
  spawnSync('setpriv', ['--bounding-set=-dac_read_search', 'true']).status === 0
    ? {}
    : { skip: 'needs root' };

test('a database stays in its folder, whatever the capabilities of a later start', asRoot, (t) => {
  const data = folder(t);
  chmodSync(data, 0o700);
  const dataDir = path.join(data, 'postgres');
  const made = withoutCapability(dataDir).runtime?.dataDir ?? '';
  t.match(made, /^\/var\/lib\/muniment-postgres\/[0-9a-f]{12}$/);
  t.equal(postgresRuntime(dataDir).dataDir, dataDir, 'none is there yet');

  mkdirSync(made, { recursive: true });
  t.teardown(() => rmSync(made, { recursive: true }));
  writeFileSync(path.join(made, 'PG_VERSION'), '18\n');
  t.equal(postgresRuntime(dataDir).dataDir, made);

  mkdirSync(dataDir);
  writeFileSync(path.join(dataDir, 'PG_VERSION'), '18\n');
  t.equal(postgresRuntime(dataDir).dataDir, dataDir);
  t.match(
    withoutCapability(dataDir).error,
    new RegExp(`The database in ${dataDir} .* DAC_READ_SEARCH`),
  );
  t.end();
});
