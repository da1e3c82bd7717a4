import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'tap';

const ROOT = join(import.meta.dirname, '../../../..');

/** Prints the files that were loaded when SIGTERM is first handled, and ends. */
const PRELOAD = `
import { registerHooks } from 'node:module';
const loaded = [];
registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) loaded.push(url);
    return next(url, context);
  },
});
const on = process.on;
process.on = function (event, ...listeners) {
  if (event !== 'SIGTERM') return on.call(this, event, ...listeners);
  console.log(JSON.stringify(loaded));
  process.exit(0);
};`;

for (const service of ['user', 'file', 'audit'])
  test(`the ${service} service handles signals before it loads its modules`, (t) => {
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [
        '--import',
        `data:text/javascript,${encodeURIComponent(PRELOAD)}`,
        join(ROOT, 'services', service, 'server.ts'),
      ],
      { encoding: 'utf8', timeout: 30_000, env: { PATH: process.env['PATH'] } },
    );
    const loaded = (JSON.parse(stdout || '[]') as string[]).map((url) => url.split('/').at(-1));
    t.strictSame(loaded, ['server.ts', 'start-service.ts'], stderr);
    t.end();
  });
