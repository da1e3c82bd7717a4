import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Test, test } from 'tap';
import { loadEnvFile } from '../../src/fleet/env-file.ts';
import { ROOT, readSettings } from '../../src/fleet/settings.ts';
import { folder } from './fake-fleet.ts';
import { runCommand } from './run-command.ts';

function envFile(t: Test, text: string): string {
  const file = path.join(folder(t), '.env');
  writeFileSync(file, text);
  return file;
}

test('the environment wins over .env, and an empty variable counts as absent', (t) => {
  const environment: NodeJS.ProcessEnv = { PORT: '9000', TLS_PORT: '' };
  const file = envFile(
    t,
    '# a comment\n\nPORT=8000\nTLS_PORT=8001\nexport REPLICAS=3\nLOG_LEVEL="debug"\nLIMITS=\n',
  );
  loadEnvFile(environment, file);
  t.match(readSettings(environment), {
    port: 9000,
    tlsPort: 8001,
    replicas: 3,
    limits: true,
    services: { LOG_LEVEL: 'debug' },
  });
  t.end();
});

test('a copy of .env.example is a valid .env that changes nothing', (t) => {
  const file = path.join(folder(t), '.env');
  copyFileSync(path.join(ROOT, '.env.example'), file);
  const environment: NodeJS.ProcessEnv = {};
  loadEnvFile(environment, file);
  t.strictSame(environment, {});
  const uncommented = readFileSync(file, 'utf8').replaceAll(/^#(LOG_LEVEL=)/gm, '$1');
  loadEnvFile(environment, envFile(t, uncommented));
  t.strictSame(environment, { LOG_LEVEL: 'info' });
  t.end();
});

test('without a .env nothing changes', (t) => {
  const environment: NodeJS.ProcessEnv = {};
  loadEnvFile(environment, path.join(folder(t), '.env'));
  t.strictSame(environment, {});
  t.end();
});

for (const [line, message] of [
  ['REPLICS=3', /^REPLICS in .*\.env is not a setting\. Correct its name or remove it/],
  ['REPLICS=', /^REPLICS in .*\.env is not a setting/],
  ['DATABASE_URL=postgres://x', /^DATABASE_URL in .*\.env cannot be set here.* Remove it\.$/],
  ['REPLICAS 3', /^Line 2 of .*\.env is not a setting\. Write NAME=value\.$/],
] as const) {
  test(`a .env with ${line} is refused`, (t) => {
    const environment: NodeJS.ProcessEnv = {};
    const file = envFile(t, `\n${line}\n`);
    t.throws(() => loadEnvFile(environment, file), { name: 'FleetError', message });
    t.end();
  });
}

test('make up refuses a bad .env before it starts anything, and names the variable', async (t) => {
  const data = folder(t);
  const run = (text: string): Promise<{ code: number | null; output: string }> =>
    runCommand('up.ts', { DATA: data, ENV_FILE: envFile(t, text) });
  t.match(await run('REPLICAS=two\n'), { code: 1, output: /make up failed: REPLICAS=two is inv/ });
  t.match(await run('LOGLEVEL=debug\n'), { code: 1, output: /LOGLEVEL in .* is not a setting/ });
  t.match(await runCommand('status.ts', { ENV_FILE: envFile(t, `DATA=${data}/own\n`) }), {
    code: 1,
    output: new RegExp(`no fleet runs from ${data}/own`),
  });
});
