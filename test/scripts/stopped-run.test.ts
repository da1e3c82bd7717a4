import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { until } from '@muniment/testing';

const ROOT = join(import.meta.dirname, '../..');

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

test('a run that is stopped ends its test files', async (t) => {
  const folder = t.testdir({
    'endless.test.ts': `
      import { writeFileSync } from 'node:fs';
      writeFileSync(new URL('pid', import.meta.url), String(process.pid));
      setTimeout(() => {}, 120_000);
    `,
  });
  const run = spawn(process.execPath, ['scripts/test.ts', join(folder, 'endless.test.ts')], {
    cwd: ROOT,
    stdio: 'ignore',
  });
  t.teardown(() => run.kill('SIGKILL'));
  const pidFile = join(folder, 'pid');
  await until(() => existsSync(pidFile), { what: 'the test file runs' });
  const pid = Number(readFileSync(pidFile, 'utf8'));
  t.ok(isAlive(pid));
  run.kill('SIGTERM');
  await once(run, 'exit');
  await until(() => !isAlive(pid), { what: 'the test file ends', timeoutMs: 10_000 });
});
