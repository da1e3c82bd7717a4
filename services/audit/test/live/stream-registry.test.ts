import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import type { StreamOptions } from '../../live/open-stream.ts';
import { createStreamRegistry, type StreamRegistryOptions } from '../../live/stream-registry.ts';

const silent = { warn() {} };

function build(options: Partial<StreamRegistryOptions> = {}) {
  const ended: string[] = [];
  const streams = createStreamRegistry({
    max: 10,
    maxPerOwner: 10,
    stallMs: 60_000,
    log: silent,
    onEnd: (end) => ended.push(end),
    ...options,
  });
  const destroyed: string[] = [];
  const open = (more: Partial<StreamOptions> = {}) => {
    const owner = more.owner ?? 'ada';
    return streams.open({
      owner,
      expiresAt: new Date(Date.now() + 60_000),
      revalidate: async () => performance.now(),
      destroy: () => destroyed.push(owner),
      ...more,
    });
  };
  return { streams, open, ended, destroyed };
}

test('news that comes before a wait ends the wait at once', async (t) => {
  const { open } = build();
  const stream = open();
  await stream.wait(1);
  stream.wake();
  const began = performance.now();
  await stream.wait(5_000);
  t.ok(performance.now() - began < timeBound(100));
  stream.close('gone');
});

test('a right is valid for a second after each confirmation', async (t) => {
  let down = false;
  const { open } = build();
  const stream = open({
    revalidate: async () => {
      if (down) throw new Error('no answer');
      return performance.now();
    },
  });
  t.ok(stream.isRevalidated());
  await sleep(1_500);
  t.ok(stream.isRevalidated(), 'looked at again and again');
  down = true;
  await sleep(1_500);
  t.notOk(stream.isRevalidated());
  t.equal(stream.end, undefined, 'an outage says nothing about rights');
  down = false;
  await sleep(600);
  t.ok(stream.isRevalidated());
  stream.close('gone');
});

test('a confirmation that is older than a second is not valid', async (t) => {
  const { open } = build();
  const stream = open({ revalidate: async () => performance.now() - 600 });
  await sleep(450);
  t.ok(stream.isRevalidated(), 'looked at just now');
  await sleep(150);
  const old = open({ revalidate: async () => performance.now() - 1_001 });
  await sleep(450);
  t.notOk(old.isRevalidated());
  t.equal(old.end, undefined);
  stream.close('gone');
  old.close('gone');
});

test('a reader that takes nothing is cut off; a slow one is not', async (t) => {
  const { open, ended, destroyed } = build({ stallMs: 1_500 });
  const stalled = open({ owner: 'stalled' });
  const slow = open({ owner: 'slow' });
  stalled.setWriting(true);
  // Together longer than a stall and a check, each far below: sleeps are late under load.
  for (let n = 0; n < 12; n += 1) {
    slow.setWriting(true);
    await sleep(200);
    slow.setWriting(false);
  }
  t.equal(stalled.end, 'stalled');
  t.equal(slow.end, undefined);
  await until(() => destroyed.length > 0, { what: 'its connection is cut' });
  t.same(destroyed, ['stalled']);
  t.same(ended, ['stalled']);
  stalled.close('gone');
  slow.close('gone');
});

test('an ending stream is cut off though its reader takes nothing', async (t) => {
  const { open, ended, destroyed, streams } = build();
  const stream = open();
  stream.close('revoked');
  stream.close('expired');
  t.equal(stream.end, 'revoked');
  await sleep(400);
  t.same(destroyed, ['ada']);
  t.equal(streams.size(), 1, 'it counts until its connection is gone');
  stream.close('gone');
  t.equal(streams.size(), 0);
  t.same(ended, ['revoked']);
});

test('a stream that comes while the replica stops ends at once, so its reader returns', async (t) => {
  const { open, streams } = build();
  const stream = open();
  streams.stop();
  t.equal(stream.end, 'stopping');
  const late = open();
  t.equal(late.end, 'stopping', 'an error would end an EventSource for good');
  stream.close('gone');
  late.close('gone');
});
