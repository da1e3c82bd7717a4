import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { findPromtool } from '@muniment/testing';
import { panels, PROMETHEUS_FOLDER, RULE_TESTS } from './read-monitoring.ts';

const promtool = await findPromtool();
const skip = promtool.missing ?? false;
const TIMEOUT_MS = 120_000;

function run(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(promtool.path ?? '', args, {
    cwd: PROMETHEUS_FOLDER,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  });
  return { status, output: `${stdout}${stderr}` };
}

test('promtool accepts the alerts and the scrape configuration', { skip }, async (t) => {
  const rules = run('check', 'rules', 'alerts.yml');
  t.equal(rules.status, 0, rules.output);
  const config = run('check', 'config', '--syntax-only', 'prometheus.yml');
  t.equal(config.status, 0, config.output);
});

test('every alert fires at its cause, with its labels and its text', { skip }, async (t) => {
  for (const file of RULE_TESTS) {
    const { status, output } = run('test', 'rules', file);
    t.equal(status, 0, output);
    t.match(output, 'SUCCESS');
  }
});

test("Prometheus can read every panel's query", { skip }, async (t) => {
  const rules = panels.flatMap(({ expressions }, panel) =>
    expressions.map((expr, target) => ({
      record: `panel_${panel}_${target}`,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$service', '.*'),
    })),
  );
  const file = join(t.testdir(), 'panels.json');
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules }] }));
  const { status, output } = run('check', 'rules', file);
  t.equal(status, 0, output);
  t.match(output, `${rules.length} rules found`);
});
