import { test } from 'tap';
import { summarizeTap } from '../../scripts/tap-summary.ts';

test('a file that passes is one line, one that fails tells what failed, and the totals are read', async (t) => {
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
  t.strictSame(summary.failedFiles(), ['b.test.ts']);
});

test('a run that ended before its totals has passed nothing', async (t) => {
  t.strictSame(summarizeTap().counts(), { passed: 0, failed: 0 });
});
