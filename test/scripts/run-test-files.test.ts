import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'tap';

const ROOT = join(import.meta.dirname, '../..');

const PASSES = `
  import { test } from 'tap';
  test('passes', (t) => { t.comment('options: ' + process.env.NODE_OPTIONS); t.pass(); t.end(); });
`;
const FAILS = `import { test } from 'tap'; test('fails', (t) => { t.fail('no'); t.end(); });`;
const HANGS = `import { test } from 'tap'; test('hangs', () => new Promise(() => setInterval(() => {}, 99)));`;

function run(args: string[]): { status: number | null; output: string } {
  // Within tap its own variables would make the run one of its tests.
  const env = Object.entries(process.env).filter(([name]) => !name.startsWith('TAP'));
  const { status, stdout } = spawnSync(process.execPath, ['scripts/run-test-files.ts', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...Object.fromEntries(env), NODE_OPTIONS: '--no-deprecation' },
  });
  return { status, output: stdout };
}

test('test files run in processes of their own, and each is a result', (t) => {
  const folder = t.testdir({ 'a.test.ts': PASSES, 'b.test.ts': FAILS });
  const files = ['a.test.ts', 'b.test.ts'].map((name) => join(folder, name));
  const { status, output } = run(files);
  t.equal(status, 1);
  t.match(output, `ok 1 - ${files[0]}`);
  t.match(output, `not ok 2 - ${files[1]}`);
  t.match(output, /# \{ total: 2, pass: 1, fail: 1 \}/);
  t.match(output, /options: --no-deprecation$/m, "only the caller's options");
  t.equal(run(files.slice(0, 1)).status, 0);
  t.end();
});

test('a test file that hangs ends with its time limit', (t) => {
  const folder = t.testdir({ 'hangs.test.ts': HANGS });
  const { status, output } = run(['--timeout=2', join(folder, 'hangs.test.ts')]);
  t.equal(status, 1);
  t.match(output, /expired: timeout|timeout!/);
  t.end();
});
