import { test } from 'tap';
import {
  alerts,
  expectations,
  listCodeMetrics,
  listDocumentedAlerts,
  listDocumentedMetrics,
  panels,
} from './read-monitoring.ts';

const sorted = (names: Iterable<string>): string[] => [...new Set(names)].toSorted();
const asks = (expression: string, metric: string): boolean =>
  new RegExp(`\\b${metric}(_count|_bucket|_sum)?\\b`).test(expression);

test('every metric of the code is documented, and no other', (t) => {
  const documented = listDocumentedMetrics().filter((name) => name.startsWith('muniment_'));
  t.strictSame(sorted(documented), sorted(listCodeMetrics()));
  t.equal(new Set(documented).size, documented.length, 'each once');
  t.end();
});

test('every documented metric is in an alert or a panel', (t) => {
  const documented = listDocumentedMetrics();
  t.ok(documented.length > 40);
  const expressions = [
    ...alerts.map(({ expr }) => expr),
    ...panels.flatMap((panel) => panel.expressions),
  ];
  const unwatched = documented.filter(
    (metric) => !expressions.some((expression) => asks(expression, metric)),
  );
  t.strictSame(unwatched, []);
  t.end();
});

test('every alert is documented, and no other', (t) => {
  t.strictSame(sorted(listDocumentedAlerts()), sorted(alerts.map(({ alert }) => alert)));
  t.end();
});

test('every alert has a unit test in which it fires, and one in which it is quiet', (t) => {
  const of = (fires: boolean) =>
    sorted(
      expectations
        .filter(({ exp_alerts: expected = [] }) => expected.length > 0 === fires)
        .map(({ alertname }) => alertname),
    );
  const names = sorted(alerts.map(({ alert }) => alert));
  t.strictSame(of(true), names);
  t.strictSame(of(false), names);
  t.end();
});

test('no expected summary has a hole where a label is missing', (t) => {
  for (const { alertname, exp_alerts: expected = [] } of expectations)
    for (const { exp_annotations: annotations } of expected)
      t.notMatch(annotations.summary, / {2}|\(\)|^ | [.,]|<no value>/, alertname);
  t.end();
});
