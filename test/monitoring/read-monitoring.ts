import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '../..');
export const read = (file: string): string => readFileSync(join(root, file), 'utf8');

export const PROMETHEUS_FOLDER = join(root, 'docker/prometheus');
export const RULE_TESTS = ['alerts.test.yml', 'alerts-of-days.test.yml'];

export interface AlertRule {
  alert: string;
  expr: string;
  annotations: { summary: string };
}

interface RuleTests {
  tests: {
    alert_rule_test: {
      alertname: string;
      exp_alerts?: { exp_annotations: { summary: string } }[];
    }[];
  }[];
}

export const alerts: readonly AlertRule[] = (
  parse(read('docker/prometheus/alerts.yml')) as { groups: { rules: AlertRule[] }[] }
).groups.flatMap(({ rules }) => rules);

/** What the unit tests of the alerts expect, one entry for each moment that they look at. */
export const expectations = RULE_TESTS.flatMap((file) =>
  (parse(read(`docker/prometheus/${file}`)) as RuleTests).tests.flatMap(
    (one) => one.alert_rule_test,
  ),
);

interface Panel {
  title: string;
  targets?: { expr: string }[];
}

export const panels = (
  JSON.parse(read('docker/grafana/dashboards/muniment.json')) as { panels: Panel[] }
).panels.map(({ title, targets = [] }) => ({
  title,
  expressions: targets.map(({ expr }) => expr),
}));

/** The names of our metrics in the source of the services. */
export function listCodeMetrics(): string[] {
  const sources = ['packages/server/src', 'services'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !/(^|\/)(node_modules|test)\//.test(file))
      .map((file) => ({ file: `${folder}/${file}`, text: read(`${folder}/${file}`) })),
  );
  return sources.flatMap(({ text }) =>
    [...text.matchAll(/'(muniment_[a-z_]+)'/g)].map(([, name = '']) => name),
  );
}

/** The names in the first column of the metrics' table. */
export function listDocumentedMetrics(): string[] {
  const section = read('docs/operations/observe.md').split('## Metrics')[1]?.split('### Alerts')[0];
  const cells = (section ?? '').split('\n').filter((line) => line.startsWith('| `'));
  return cells.flatMap((line) =>
    [...(line.split('|')[1] ?? '').matchAll(/`((?:muniment|http)_[a-z_]+)`/g)].map(
      ([, name = '']) => name,
    ),
  );
}

/** The alerts that the documentation lists. */
export function listDocumentedAlerts(): string[] {
  const section = read('docs/operations/observe.md').split('### Alerts')[1]?.split('\n## ')[0];
  const list = (section ?? '').split('\n\n').filter((paragraph) => paragraph.startsWith('- '));
  return [...list.join('\n').matchAll(/`([A-Z][A-Za-z]+)`/g)].map(([, name = '']) => name);
}
