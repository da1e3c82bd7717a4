import { test } from 'tap';
import { createJobs } from '../../src/lifecycle/jobs.ts';

test('a loop that does not end holds a stop for a bounded time, and is named', async (t) => {
  const warnings: unknown[] = [];
  const order: string[] = [];
  const jobs = createJobs({
    log: { warn: (details: unknown) => void warnings.push(details) },
    stopTimeoutMs: 50,
  });
  const stop = async (): Promise<void> => void order.push('stopped');
  jobs.add({ name: 'mails', start: () => {}, stop: () => new Promise(() => {}) });
  jobs.add({ name: 'relay', start: () => {}, stop });
  jobs.closeAfter(() => order.push('closed'));
  jobs.start();
  await jobs.stop();
  t.strictSame(order, ['stopped', 'closed'], 'the others stop, then what they use closes');
  t.strictSame(warnings, [{ loops: ['mails'] }]);
});

test('what loops use closes only after the last of them has stopped', async (t) => {
  const order: string[] = [];
  const jobs = createJobs({ log: { warn: () => t.fail('nothing is late') } });
  const { promise, resolve } = Promise.withResolvers<void>();
  jobs.add({
    name: 'slow',
    start: () => {},
    stop: () => promise.then(() => void order.push('slow')),
  });
  jobs.closeAfter(() => order.push('closed'));
  const stopping = jobs.stop();
  setImmediate(resolve);
  await stopping;
  t.strictSame(order, ['slow', 'closed']);
});
