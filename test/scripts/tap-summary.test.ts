import { test } from 'tap';
import { summarizeTap } from '../../scripts/tap-summary.ts';

test('a passed file is one line, a failed one shows what failed', async (t) => {
  const summary = summarizeTap();
  const printed = [
    'TAP version 14',
    '# Subtest: a.test.ts',
    '    ok 1 - fine',
    '    1..1',
    'ok 1 - a.test.ts # time=1234.5ms',
    '',
    '# Subtest: b.test.ts',
    '    ok 1 - fine',
    '    not ok 2 - broken',
    '      ---',
    '      found: 1',
    '      ...',
    '    1..2',
    'not ok 2 - b.test.ts # time=10ms',
    '  ---',
    '  exitCode: 1',
    '  signal: null',
    '  ...',
    '1..2',
    '# { total: 3, pass: 2, fail: 1 }',
  ].flatMap((line) => summary.line(line));
  t.strictSame(printed, [
    'ok     a.test.ts (1.2 s)',
    'FAILED b.test.ts (0.0 s)',
    '    not ok 2 - broken',
    '      ---',
    '      found: 1',
    '      ...',
    '    exitCode: 1',
  ]);
  t.strictSame(summary.counts(), { passed: 2, failed: 1 });
});

test('a skipped test is shown with its reason', async (t) => {
  const summary = summarizeTap();
  const printed = [
    '# Subtest: a.test.ts',
    '    # Subtest: with a tool',
    '    ok 1 - with a tool # SKIP the tool cannot be had # time=0.1ms',
    '    ok 2 - without',
    '    1..2',
    'ok 1 - a.test.ts # time=10ms',
  ].flatMap((line) => summary.line(line));
  t.strictSame(printed, [
    'ok     a.test.ts (0.0 s)',
    '  SKIPPED with a tool: the tool cannot be had',
  ]);
});

test('the report has a line per package and the slowest files first', async (t) => {
  const summary = summarizeTap();
  for (const line of [
    '    # Subtest: sums',
    '        ok 1 - fine',
    '        ok 2 - fine',
    '        1..2',
    '    ok 1 - sums # time=5ms',
    '    # Subtest: empty',
    '    ok 2 - empty',
    '    1..2',
    'ok 1 - services/user/test/a.test.ts # time=500ms',
    '    ok 1 - fine',
    'ok 2 - services/user/test/sessions/b.test.ts # time=1500ms',
    '    not ok 1 - broken',
    'not ok 3 - test/api.test.ts # time=1000ms',
  ])
    summary.line(line);
  t.strictSame(summary.report(), [
    '',
    'services/user             2 files     4 assertions    2.0 s',
    'test                      1 files     1 assertions    1.0 s  1 FAILED',
    '',
    'slowest files:',
    '    1.5 s  services/user/test/sessions/b.test.ts',
    '    1.0 s  test/api.test.ts',
    '    0.5 s  services/user/test/a.test.ts',
    '',
  ]);
});

test('a run that ended before its totals has passed nothing', async (t) => {
  t.strictSame(summarizeTap().counts(), { passed: 0, failed: 0 });
});
