/**
 * `node scripts/run-test-files.ts [--jobs=N] [--timeout=SECONDS] [--bail] [FILE...]`: runs test
 * files as tap's command does and as `.taprc` says, without its hooks. Those follow each module
 * and each child process for coverage. They cost a third of a start, of every replica too.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';

interface TapConfig {
  include: string[];
  jobs: number;
  timeout: number;
}

const root = join(import.meta.dirname, '..');
const config = parse(readFileSync(join(root, '.taprc'), 'utf8')) as TapConfig;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { jobs: { type: 'string' }, timeout: { type: 'string' }, bail: { type: 'boolean' } },
});
const files =
  positionals.length > 0 ? positionals : globSync(config.include, { cwd: root }).toSorted();
const timeoutSeconds = Number(values.timeout ?? config.timeout);
// tap reads these once, with its import.
process.env['TAP_TIMEOUT'] = String(timeoutSeconds);
if (values.bail) process.env['TAP_BAIL'] = '1';
const { t: tap } = await import('tap');

tap.jobs = Math.min(Number(values.jobs ?? config.jobs), files.length);
tap.setTimeout(0);
tap.plan(files.length);
for (const name of files)
  // tap adds its hooks to NODE_OPTIONS, and `env` takes them out again.
  void tap.spawn(
    'env',
    [
      `NODE_OPTIONS=${process.env['NODE_OPTIONS'] ?? ''}`,
      process.execPath,
      '--import=./scripts/end-of-test.ts',
      name,
    ],
    { name, cwd: root, buffered: tap.jobs > 1, timeout: 1_000 * timeoutSeconds },
  );
