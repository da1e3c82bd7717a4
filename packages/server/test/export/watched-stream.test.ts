import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { test } from 'tap';
import { createWatchedStream } from '../../src/export/watched-stream.ts';

const OPTIONS = { minBytesPerSecond: 16 * 1024, mayRead: async () => true };
const reply = (): FastifyReply =>
  ({ raw: Object.assign(new EventEmitter(), { destroyed: false }) }) as unknown as FastifyReply;

test('a database that is slow to find entries is no stall of the reader', async (t) => {
  async function* text(): AsyncGenerator<string> {
    await sleep(1_700);
    yield 'found';
  }
  const { stream } = createWatchedStream(text(), { ...OPTIONS, reply: reply(), stallMs: 500 });
  let read = '';
  for await (const piece of stream) read += String(piece);
  t.equal(read, 'found');
});

async function* pieces(size: number, pauseMs: number): AsyncGenerator<string> {
  for (;;) {
    await sleep(pauseMs);
    yield 'x'.repeat(size);
  }
}

/** Reads some bytes in each tenth of a second. */
async function readSlowly(stream: AsyncIterable<unknown>, bytes: number, ms: number) {
  const until = performance.now() + ms;
  for await (const piece of stream) {
    const { length } = piece as Buffer;
    await sleep((100 * length) / bytes);
    if (performance.now() > until) return;
  }
}

test('a reader below the minimum rate is slow, one above it is not', async (t) => {
  for (const [bytes, isSlow] of [
    [800, true],
    [20_000, false],
  ] as const) {
    const watched = createWatchedStream(pieces(8_000, 0), {
      ...OPTIONS,
      reply: reply(),
      stallMs: 60_000,
    });
    watched.stream.on('error', () => {});
    const reading = readSlowly(watched.stream, bytes, 7_000).catch(() => {});
    await sleep(6_500);
    t.equal(watched.isSlow(), isSlow, `${bytes * 10} bytes a second`);
    watched.stream.destroy();
    await reading;
  }
});

test('a reader who waits for a slow database is not slow', async (t) => {
  const watched = createWatchedStream(pieces(10, 500), {
    ...OPTIONS,
    reply: reply(),
    stallMs: 60_000,
  });
  watched.stream.on('error', () => {}).resume();
  await sleep(6_500);
  t.equal(watched.isSlow(), false);
  watched.stream.destroy();
});
