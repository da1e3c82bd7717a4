import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'tap';

/** The commands that make would run. */
function dryRun(...words: string[]): string {
  const { stdout } = spawnSync('make', ['-n', ...words], {
    cwd: join(import.meta.dirname, '../..'),
    encoding: 'utf8',
    timeout: 20_000,
  });
  return stdout;
}

test('make up CORS=... allows the origins of local front ends', (t) => {
  const allowed = dryRun('up', 'CORS=http://localhost:5173');
  t.match(allowed, /CORS_ORIGINS='http:\/\/localhost:5173' node /);
  t.notMatch(dryRun('up'), /CORS_ORIGINS/);
  t.end();
});
