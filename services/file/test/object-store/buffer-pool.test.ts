import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { createBufferPool } from '../../object-store/buffer-pool.ts';

const steady = {
  owner: 'ada',
  filled: () => 1_000_000,
  cancel: () => {
    throw new Error('was told to give way');
  },
};

test('the pool lends at most its buffers and serves waiters in order', async (t) => {
  const pool = createBufferPool({
    buffers: 2,
    bufferBytes: 16,
    waitMs: 5_000,
    minBytesPerSecond: 0,
  });
  const [a, b] = [await pool.acquire(steady), await pool.acquire(steady)];
  if (!a || !b) throw new Error('no buffers');
  const order: string[] = [];
  const first = pool.acquire(steady).then((buffer) => {
    order.push('first');
    return buffer;
  });
  const second = pool.acquire(steady).then((buffer) => {
    order.push('second');
    return buffer;
  });
  t.strictSame(pool.load(), { free: 0, lent: 2, waiting: 2 });
  pool.release(a);
  const newcomer = pool.acquire(steady).then(() => order.push('newcomer'));
  t.equal(await first, a);
  pool.release(b);
  t.equal(await second, b);
  pool.release(a);
  await newcomer;
  t.strictSame(order, ['first', 'second', 'newcomer']);
});

test('a wait ends at its time-out, or with the reason of its abort', async (t) => {
  const pool = createBufferPool({ buffers: 1, bufferBytes: 16, waitMs: 20, minBytesPerSecond: 0 });
  const only = await pool.acquire(steady);
  if (!only) throw new Error('no buffer');
  t.equal(await pool.acquire(steady), undefined);
  const abort = new AbortController();
  const waiting = pool.acquire(steady, abort.signal);
  abort.abort(new Error('gone'));
  await t.rejects(waiting, { message: 'gone' });
  await t.rejects(pool.acquire(steady, abort.signal), { message: 'gone' });
  pool.release(only);
  await sleep(0);
  t.strictSame(pool.load(), { free: 1, lent: 0, waiting: 0 });
});

test('buffers are allocated on demand, and the latest used is lent first', async (t) => {
  const pool = createBufferPool({ buffers: 8, bufferBytes: 16, waitMs: 20, minBytesPerSecond: 0 });
  t.strictSame(pool.load(), { free: 0, lent: 0, waiting: 0 });
  const buffer = await pool.acquire(steady);
  if (!buffer) throw new Error('no buffer');
  pool.release(buffer);
  t.equal(await pool.acquire(steady), buffer);
  t.strictSame(pool.load(), { free: 0, lent: 1, waiting: 0 });
});

test('while others wait, the slowest dripping client is ended', async (t) => {
  const pool = createBufferPool({
    buffers: 4,
    bufferBytes: 16,
    waitMs: 20_000,
    minBytesPerSecond: 1_000,
  });
  const ended: string[] = [];
  const filler = (name: string, bytes: number) => ({
    owner: name,
    filled: () => bytes,
    cancel: () => {
      ended.push(name);
      const buffer = held.get(name);
      held.delete(name);
      if (buffer) pool.release(buffer);
    },
  });
  const held = new Map<string, Buffer | undefined>();
  for (const [name, bytes] of [
    ['fast', 1_000_000],
    ['slow', 3_000],
    ['slowest', 10],
    ['sending', 0],
  ] as const)
    held.set(name, await pool.acquire(filler(name, bytes)));
  const sending = held.get('sending');
  if (!sending) throw new Error('no buffer');
  pool.settle(sending);

  await sleep(5_500);
  t.strictSame(ended, [], 'nobody waits');
  t.ok(await pool.acquire(steady));
  t.strictSame(ended, ['slowest']);
});

test('a freed buffer goes to the caller who holds the fewest', async (t) => {
  const pool = createBufferPool({
    buffers: 2,
    bufferBytes: 16,
    waitMs: 5_000,
    minBytesPerSecond: 0,
  });
  const [a] = [await pool.acquire(steady), await pool.acquire(steady)];
  if (!a) throw new Error('no buffer');
  const order: string[] = [];
  const adas = pool.acquire(steady).then(() => order.push('ada'));
  const bobs = pool.acquire({ ...steady, owner: 'bob' }).then((buffer) => {
    order.push('bob');
    return buffer;
  });
  pool.release(a);
  pool.release((await bobs) ?? a);
  await adas;
  t.strictSame(order, ['bob', 'ada']);
});

test('a caller who holds more than one that waits gives a buffer up, the slowest', async (t) => {
  const pool = createBufferPool({
    buffers: 3,
    bufferBytes: 16,
    waitMs: 20_000,
    minBytesPerSecond: 1,
  });
  const ended: string[] = [];
  const held = new Map<string, Buffer | undefined>();
  const filler = (owner: string, bytes: number) => ({
    owner,
    filled: () => bytes,
    cancel: () => {
      ended.push(`${owner} ${bytes}`);
      const buffer = held.get(`${owner} ${bytes}`);
      if (buffer) pool.release(buffer);
    },
  });
  for (const [owner, bytes] of [
    ['ada', 2_000_000],
    ['ada', 1_000_000],
    ['bob', 500_000],
  ] as const)
    held.set(`${owner} ${bytes}`, await pool.acquire(filler(owner, bytes)));
  t.ok(await pool.acquire(filler('eve', 0)));
  t.strictSame(ended, ['ada 1000000'], 'bob has one only');
  const another = pool.acquire(filler('eve', 0));
  await sleep(600);
  t.strictSame(ended, ['ada 1000000'], 'all hold one, so they wait their turn');
  const last = held.get('bob 500000');
  if (!last) throw new Error('no buffer');
  pool.release(last);
  t.equal(await another, last);
});
