import { test } from 'tap';
import { planActions, traceparentOf } from './plan-actions.ts';
import { FAULTS, planFaults } from './plan-faults.ts';

function actions(seed: number, client: number): unknown[] {
  const plan = planActions(seed, client);
  return Array.from({ length: 200 }, () => plan.next().value);
}

test('a seed gives one plan, another seed and another client another one', async (t) => {
  t.strictSame(actions(1, 0), actions(1, 0));
  t.notSame(actions(1, 0), actions(2, 0));
  t.notSame(actions(1, 0), actions(1, 1));
  t.strictSame(planFaults(1, 60_000, 1_500), planFaults(1, 60_000, 1_500));
  t.notSame(planFaults(1, 60_000, 1_500), planFaults(2, 60_000, 1_500));
});

test('faults come in rounds of all kinds, and those of one channel never overlap', async (t) => {
  const plan = planFaults(7, 300_000, 1_500);
  t.same(new Set(plan.map(({ kind }) => kind)), new Set(Object.keys(FAULTS)));
  const counts = [...Map.groupBy(plan, ({ kind }) => kind).values()].map(({ length }) => length);
  t.ok(Math.max(...counts) - Math.min(...counts) <= 2, `each about as often: ${counts.join(', ')}`);
  t.ok(plan.every(({ at, durationMs }) => at + durationMs <= 300_000));
  t.ok(
    plan.some((fault, index) => (plan[index + 1]?.at ?? Infinity) < fault.at + fault.durationMs),
    'several at once',
  );
  for (const own of Map.groupBy(plan, ({ kind }) => FAULTS[kind].channel ?? '').values()) {
    if (FAULTS[own[0]?.kind ?? 'kill_user'].channel === undefined) continue;
    t.ok(
      own.every(
        (fault, index) =>
          index === 0 || fault.at >= (own[index - 1]?.at ?? 0) + (own[index - 1]?.durationMs ?? 0),
      ),
    );
  }
});

test('each request has a traceparent of its own, in W3C form', async (t) => {
  const all = Array.from({ length: 1_000 }, (_, number) => traceparentOf(1, number % 5, number));
  t.equal(new Set(all).size, 1_000);
  t.match(all[0], /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});
