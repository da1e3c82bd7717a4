import { setImmediate } from 'node:timers/promises';
import { test } from 'tap';
import { createGather } from '../src/index.ts';

/** Statements that are answered by hand. */
function manual(concurrency: number, maxItems?: number) {
  const sent: { items: readonly number[]; answer(): void; fail(error: Error): void }[] = [];
  const ask = createGather<number, string>({
    concurrency,
    ...(maxItems !== undefined && { maxItems }),
    send: (items) =>
      new Promise((resolve, reject) => {
        const answer = (): void => resolve(items.map((item) => `answer ${item}`));
        sent.push({ items, answer, fail: reject });
      }),
  });
  return { ask, sent, items: () => sent.map(({ items }) => items) };
}

/** Lets the loop turn, so that all that can be sent is sent. A timer may fire before it does. */
async function turn(): Promise<void> {
  for (let n = 0; n < 3; n += 1) await setImmediate();
}

test('what is asked in one turn shares a statement, and each gets its own answer', async (t) => {
  const { ask, sent, items } = manual(1);
  const answers = [ask(1), ask(2), ask(3)];
  await turn();
  t.strictSame(items(), [[1, 2, 3]]);
  sent[0]?.answer();
  t.strictSame(await Promise.all(answers), ['answer 1', 'answer 2', 'answer 3']);
});

test('what is asked during a statement is sent in the next, never answered by it', async (t) => {
  const { ask, sent, items } = manual(1);
  const first = ask(1);
  await turn();
  const later = [ask(1), ask(2)];
  await turn();
  t.strictSame(items(), [[1]]);
  sent[0]?.answer();
  await first;
  await turn();
  t.strictSame(items(), [[1], [1, 2]]);
  sent[1]?.answer();
  t.strictSame(await Promise.all(later), ['answer 1', 'answer 2']);
});

test('as many statements as allowed are under way at once', async (t) => {
  const { ask, sent, items } = manual(2);
  const answers: Promise<string>[] = [];
  for (const item of [1, 2, 3, 4]) {
    answers.push(ask(item));
    await turn();
  }
  t.strictSame(items(), [[1], [2]]);
  sent[1]?.answer();
  await turn();
  t.strictSame(items(), [[1], [2], [3, 4]]);
  for (const { answer } of sent) answer();
  t.strictSame(
    await Promise.all(answers),
    [1, 2, 3, 4].map((item) => `answer ${item}`),
  );
});

test('a statement has at most so many items, and none is left behind', async (t) => {
  const { ask, sent, items } = manual(1, 2);
  const answers = [1, 2, 3].map(ask);
  await turn();
  sent[0]?.answer();
  await turn();
  sent[1]?.answer();
  t.strictSame(await Promise.all(answers), ['answer 1', 'answer 2', 'answer 3']);
  t.strictSame(items(), [[1, 2], [3]]);
});

test('a fault of one item fails no other', async (t) => {
  const ask = createGather<number, number>({
    concurrency: 1,
    async send(items) {
      if (items.includes(2)) throw new RangeError('two');
      return items;
    },
  });
  const answers = await Promise.allSettled([ask(1), ask(2), ask(3)]);
  t.match(answers, [
    { status: 'fulfilled', value: 1 },
    { status: 'rejected', reason: { message: 'two' } },
    { status: 'fulfilled', value: 3 },
  ]);
  t.equal(await ask(4), 4, 'and it goes on');
});

test('an outage fails what was sent, once, and the next is asked again', async (t) => {
  const { ask, sent, items } = manual(1);
  const lost = Promise.allSettled([ask(1), ask(2)]);
  await turn();
  sent[0]?.fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
  t.match(await lost, [{ status: 'rejected' }, { status: 'rejected' }]);
  const again = ask(3);
  await turn();
  t.strictSame(items(), [[1, 2], [3]]);
  sent[1]?.answer();
  t.equal(await again, 'answer 3');
});

test('an error that is thrown at once rejects, and the next is sent', async (t) => {
  let broken = true;
  const ask = createGather<number, number>({
    concurrency: 1,
    send(items) {
      if (broken) throw new Error('broken');
      return Promise.resolve(items);
    },
  });
  await t.rejects(ask(1), { message: 'broken' });
  broken = false;
  t.equal(await ask(2), 2);
});
