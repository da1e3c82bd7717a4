import { test } from 'tap';
import { describeMemory, describeVerdict, GOALS, judge } from '../../peers/measure/goals.ts';
import { createRow } from './rows.ts';

const profileOf = (target: string, perSecond: number, errors = 0) =>
  createRow({ operation: 'profile', target, perSecond, errors });

test('a goal is met from its ratio on', (t) => {
  const verdicts = judge([profileOf('muniment', 35), profileOf('bare-fastify', 100)]);
  t.strictSame(verdicts.map(describeVerdict), ['≥ 0.35 × bare-fastify: 0.35 met']);
  t.end();
});

test('a goal is missed below its ratio', (t) => {
  const verdicts = judge([profileOf('muniment', 34), profileOf('bare-fastify', 100)]);
  t.strictSame(verdicts.map(describeVerdict), ['≥ 0.35 × bare-fastify: 0.34 missed']);
  t.end();
});

test('a ratio is that of the medians of all rounds', (t) => {
  const rows = [
    ...[10, 900, 30].map((rate) => profileOf('muniment', rate)),
    ...[1, 20, 10].map((rate) => profileOf('parse-server', rate)),
  ];
  t.strictSame(
    judge(rows).map(({ ratio }) => ratio),
    [3],
  );
  t.end();
});

test('errors in our row or in the other miss the goal', (t) => {
  for (const [ours, others] of [
    [1, 0],
    [0, 1],
  ])
    t.match(judge([profileOf('muniment', 500, ours), profileOf('parse-server', 10, others)]), [
      { isMet: false },
    ]);
  t.end();
});

test('a goal has no verdict unless both rows were measured', (t) => {
  t.strictSame(judge([profileOf('muniment', 500)]), []);
  t.strictSame(judge([profileOf('bare-fastify', 500), profileOf('parse-server', 10)]), []);
  t.end();
});

test('a row of another operation is no row of the goal', (t) => {
  const login = createRow({ operation: 'login', target: 'bare-fastify', perSecond: 1 });
  t.strictSame(judge([profileOf('muniment', 500), login]), []);
  t.end();
});

test('every operation has a goal', (t) => {
  t.equal(new Set(GOALS.map(({ operation }) => operation)).size, 9);
  t.end();
});

test('memory meets its goal up to the stated size', (t) => {
  const memory = { before: 150, after: 210.5 };
  t.equal(describeMemory(memory, 'before'), '≤ 150 MiB: met');
  t.equal(describeMemory(memory, 'after'), '≤ 210 MiB: missed');
  t.end();
});
