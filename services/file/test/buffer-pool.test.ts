import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { createBufferPool } from '../buffer-pool.ts';

test('never more buffers than said; who waits is served in order, before a newcomer', async (t) => {
  const pool = createBufferPool({ buffers: 2, bufferBytes: 16, waitMs: 5_000 });
  const [a, b] = [await pool.acquire(), await pool.acquire()];
  if (!a || !b) throw new Error('no buffers');
  const order: string[] = [];
  const first = pool.acquire().then((buffer) => { order.push('first'); return buffer; });
  const second = pool.acquire().then((buffer) => { order.push('second'); return buffer; });
  t.strictSame(pool.load(), { free: 0, lent: 2, waiting: 2 });
  pool.release(a);
  const newcomer = pool.acquire().then(() => order.push('newcomer'));
  t.equal(await first, a);
  pool.release(b);
  t.equal(await second, b);
  pool.release(a);
  await newcomer;
  t.strictSame(order, ['first', 'second', 'newcomer']);
});

test('who waits too long gets nothing and leaves the queue; an aborted wait fails with its reason', async (t) => {
  const pool = createBufferPool({ buffers: 1, bufferBytes: 16, waitMs: 20 });
  const only = await pool.acquire();
  if (!only) throw new Error('no buffer');
  t.equal(await pool.acquire(), undefined);
  const abort = new AbortController();
  const waiting = pool.acquire(abort.signal);
  abort.abort(new Error('gone'));
  await t.rejects(waiting, { message: 'gone' });
  await t.rejects(pool.acquire(abort.signal), { message: 'gone' });
  pool.release(only);
  await sleep(0);
  t.strictSame(pool.load(), { free: 1, lent: 0, waiting: 0 });
});

test('buffers are made when they are needed, and the one used last is lent first', async (t) => {
  const pool = createBufferPool({ buffers: 8, bufferBytes: 16, waitMs: 20 });
  t.strictSame(pool.load(), { free: 0, lent: 0, waiting: 0 });
  const buffer = await pool.acquire();
  if (!buffer) throw new Error('no buffer');
  pool.release(buffer);
  t.equal(await pool.acquire(), buffer);
  t.strictSame(pool.load(), { free: 0, lent: 1, waiting: 0 });
});
