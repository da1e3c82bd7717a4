import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'tap';

test('make verify without FILE says how to name it', (t) => {
  const { status, stderr } = spawnSync('make', ['-s', 'verify'], {
    cwd: join(import.meta.dirname, '../..'),
    encoding: 'utf8',
    timeout: 20_000,
  });
  t.not(status, 0);
  t.match(stderr, /make verify FILE=trail\.ndjson/);
  t.end();
});
