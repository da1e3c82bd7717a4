import { test } from 'tap';
import { createStreamRegistry } from '../../live/stream-registry.ts';
import { followLog, type Feed } from '../../live/follow-log.ts';
import type { StreamFormat } from '../../live/stream-format.ts';
import type { StoredCheckpoint } from '../../proofs/tree/checkpoint-queries.ts';
import type { LoggedEvent } from '../../trail/log-queries.ts';
import { range } from './sealed.ts';

const FROM_START = { start: -1, opening: '', heartbeatMs: 60_000 };

const event = (index: number) => ({ index }) as LoggedEvent;

function openStream(revalidate: () => Promise<number | undefined> = async () => performance.now()) {
  const streams = createStreamRegistry({
    max: 9,
    maxPerOwner: 9,
    stallMs: 60_000,
    log: { warn() {} },
  });
  return streams.open({
    owner: 'a',
    expiresAt: new Date(Date.now() + 60_000),
    revalidate,
    destroy() {},
  });
}

const textOf = (events: readonly LoggedEvent[]): string =>
  events.map(({ index }) => `id: ${index}\nevent: audit\ndata: {"index":${index}}\n\n`).join('');

const formatOf = (more: Partial<StreamFormat>): StreamFormat => ({
  open: async () => '',
  events: async (events) => textOf(events),
  skipTo: async () => '',
  checkpoint: async ({ size }) => `event: checkpoint\ndata: {"size":${size}}\n\n`,
  ...more,
});

/** A log of `head` events; `next` as the table would answer. */
const feedOf = (
  head: number,
  more: Partial<Feed> = {},
  format: Partial<StreamFormat> = {},
): Feed => ({
  format: formatOf(format),
  checkpoint: () => undefined,
  next: async (position) => ({
    events: range(position + 1, Math.min(position + 101, head)).map(event),
    upTo: Math.min(position + 100, head - 1),
  }),
  isUnavailable: (error) => error instanceof Error && error.message === 'down',
  ...more,
});

const ids = (text: string): number[] =>
  [...text.matchAll(/^id: (\d+)\nevent/gm)].map(([, id]) => Number(id));

async function readUntil(
  stream: ReturnType<typeof openStream>,
  pieces: AsyncGenerator<string>,
  done: (text: string) => boolean,
): Promise<string> {
  let text = '';
  for await (const piece of pieces) {
    text += piece;
    if (done(text)) break;
  }
  stream.close('gone');
  return text;
}

test('an outage within a page neither loses nor doubles an event', async (t) => {
  const stream = openStream();
  let calls = 0;
  const format: Partial<StreamFormat> = {
    async events(events) {
      calls += 1;
      if (calls % 3 === 0) throw new Error('down');
      return textOf(events);
    },
  };
  const feed = feedOf(250, {}, format);
  const text = await readUntil(stream, followLog(stream, feed, FROM_START), (got) =>
    got.includes('"index":249'),
  );
  t.same(ids(text), range(0, 250));
});

test('an error other than an outage ends the stream', async (t) => {
  const stream = openStream();
  const feed = feedOf(5, {
    next: async () => {
      throw new TypeError('a fault');
    },
  });
  await t.rejects(
    readUntil(stream, followLog(stream, feed, FROM_START), () => false),
    TypeError,
  );
  stream.close('gone');
});

test("nothing is written while the reader's right is unconfirmed", async (t) => {
  let down = false;
  const stream = openStream(async () => {
    if (down) throw new Error('no answer');
    return performance.now();
  });
  let signed: StoredCheckpoint | undefined;
  const feed = feedOf(100, { checkpoint: () => signed });
  const pieces = followLog(stream, feed, FROM_START);
  await pieces.next();
  const first = await pieces.next();
  down = true;
  signed = { size: 1, root: Buffer.of(), note: '' };
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const second = pieces.next();
  t.equal(
    await Promise.race([second, new Promise((resolve) => setTimeout(resolve, 700, 'silence'))]),
    'silence',
  );
  down = false;
  const rest = await readUntil(stream, pieces, (got) => got.includes('"index":99'));
  t.same(ids([first.value, (await second).value, rest].join('')), range(0, 100));
});

test('a paused reader holds one batch in memory, and then gets the rest', async (t) => {
  const stream = openStream();
  let rendered = 0;
  const format: Partial<StreamFormat> = {
    async events(events) {
      rendered += events.length;
      return textOf(events);
    },
  };
  const feed = feedOf(100_000, {}, format);
  const pieces = followLog(stream, feed, FROM_START);
  await pieces.next();
  let text = (await pieces.next()).value ?? '';
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.ok(rendered <= 32, `${rendered} rendered`);
  text += await readUntil(stream, pieces, (got) => got.includes('"index":1000}'));
  t.same(ids(text).slice(0, 1_001), range(0, 1_001));
});

test('a checkpoint comes once, behind the last entry that it signs', async (t) => {
  const stream = openStream();
  const signed = (size: number): StoredCheckpoint => ({ size, root: Buffer.of(), note: '' });
  let newest = signed(150);
  const feed = feedOf(250, { checkpoint: () => newest });
  const pieces = followLog(stream, feed, FROM_START);
  const text = await readUntil(stream, pieces, (got) => {
    if (got.includes('{"size":150}')) newest = signed(250);
    return got.includes('{"size":250}');
  });
  const at = (part: string): number => text.indexOf(part);
  t.ok(at('{"index":149}') < at('{"size":150}'), 'not before its entries');
  t.ok(at('{"index":249}') < at('{"size":250}'));
  t.equal(text.split('event: checkpoint').length, 3, 'each once');
});
