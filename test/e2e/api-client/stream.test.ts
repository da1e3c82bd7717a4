import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { until } from '@muniment/testing';
import { createClient, type Client } from '../../../packages/api-client/src/index.ts';
import { createEventParser } from '../../../packages/api-client/src/stream/parse-events.ts';
import { shareFleet } from '../fleet.ts';
import { startFaultProxy, type ChooseFault } from './fault-proxy.ts';

const STREAM = 'GET /api/audit/stream';

async function build(t: Parameters<typeof startFaultProxy>[0], fault?: ChooseFault) {
  const fleet = await shareFleet();
  const proxy = await startFaultProxy(t, { target: fleet.url, ...(fault && { fault }) });
  const ada = await fleet.signUp();
  const client = createClient({ url: proxy.url });
  client.session.adopt({ ...ada, expires_in: 900 });
  return { fleet, proxy, client, ada };
}

/** `count` changes of the caller, one after another. */
async function renameOften(client: Client, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1)
    await client.api.account.updateProfile({ body: { name: `Ada ${n}` } });
}

test('a stream that is cut off again and again has no hole and no double', async (t) => {
  const changes = 30;
  // Cut within an event, behind its id, and between two.
  const { fleet, proxy, client, ada } = await build(t, ({ route }, nth) =>
    route === STREAM && nth <= 5 ? { cutAfterBytes: 400 + 337 * nth } : undefined,
  );
  const seen: string[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  const following = (async () => {
    for await (const { entry } of client.streamLogs({ query: { after: '-1' }, signal }))
      if (entry.action !== 'AUDIT_READ') seen.push(entry.id);
  })();
  following.catch(() => undefined);
  await renameOften(client, changes);
  const wanted = await until(
    async () => {
      const trail = (await fleet.trail(ada.token)).filter(({ action }) => action !== 'AUDIT_READ');
      return trail.length > changes && trail.map(({ id }) => id);
    },
    { what: 'all changes are in the trail' },
  );
  await until(() => seen.length >= wanted.length, { what: 'all events have come' });
  await sleep(300);
  t.same(seen, wanted);
  t.ok(proxy.count(STREAM) > 4, `${proxy.count(STREAM)} connections`);
  const [first, second] = proxy.seen.filter(({ route }) => route === STREAM);
  t.equal(first?.headers['last-event-id'], undefined);
  t.match(second?.headers['last-event-id'], /^-?\d+$/);
  controller.abort(new Error('enough'));
  await t.rejects(following, { message: 'enough' });
});

test('a stream resumes behind the event that the caller names', async (t) => {
  const { client } = await build(t);
  await renameOften(client, 3);
  const ids: string[] = [];
  for await (const { id } of client.streamLogs({ query: { after: '-1' } }))
    if (ids.push(id) === 3) break;
  for await (const { id } of client.streamLogs({ lastEventId: ids[0] ?? '' })) {
    t.equal(id, ids[1]);
    break;
  }
});

test('a loop that ends closes its connection', async (t) => {
  const { fleet, client } = await build(t);
  await renameOften(client, 1);
  // More than one reader may hold open at once.
  for (let n = 0; n < 30; n += 1)
    for await (const _ of client.streamLogs({ query: { after: '-1' } })) break;
  t.ok(fleet);
});

test('a stream that is refused rejects, and a busy one is asked again', async (t) => {
  const { proxy, client } = await build(t, ({ route }, nth) =>
    route === STREAM && nth === 1 ? { status: 503, headers: { 'retry-after': '1' } } : undefined,
  );
  await renameOften(client, 1);
  for await (const { entry } of client.streamLogs({ query: { after: '-1' } })) {
    t.ok(entry.id);
    break;
  }
  t.equal(proxy.count(STREAM), 2);
  const loop = async (): Promise<void> => {
    for await (const _ of client.streamLogs({ lastEventId: '999999999999' })) continue;
  };
  await t.rejects(loop(), { code: 'cursor_invalid' });
});

test('a silent stream is opened again', async (t) => {
  const never = new Promise<never>(() => undefined);
  const { proxy, client } = await build(t, ({ route }, nth) =>
    route === STREAM && nth === 1 ? { holdUntil: sleep(60_000, never, { ref: false }) } : undefined,
  );
  await renameOften(client, 1);
  const impatient = createClient({ url: proxy.url, timeoutMs: 500 });
  impatient.session.adopt({ ...client.session.current(), expires_in: 900 });
  for await (const { entry } of impatient.streamLogs({ query: { after: '-1' } })) {
    t.ok(entry.id);
    break;
  }
  t.equal(proxy.count(STREAM), 2);
});

test('a stream that falls silent within an event is resumed before it', async (t) => {
  const { fleet, proxy, client, ada } = await build(t, ({ route }, nth) =>
    route === STREAM && nth === 1 ? { stallAfterBytes: 1_000 } : undefined,
  );
  await renameOften(client, 3);
  const wanted = await until(
    async () => {
      const trail = await fleet.trail(ada.token);
      return trail.length >= 4 && trail.slice(0, 4).map(({ id }) => id);
    },
    { what: 'the changes are in the trail' },
  );
  const seen: string[] = [];
  for await (const { entry } of client.streamLogs({ query: { after: '-1' }, idleTimeoutMs: 1_000 }))
    if (seen.push(entry.id) === wanted.length) break;
  t.same(seen, wanted);
  t.equal(proxy.count(STREAM), 2);
});

test('the parser takes every line end, however the text is cut', (t) => {
  const text =
    'retry: 5\r\nid: 1\r\ndata: a\r\n\r\n:\nid: 2\n\nid:3\revent: x\rdata: b\rdata:c\r\rid: 9\ndata: cut';
  for (let at = 0; at <= text.length; at += 1) {
    const parser = createEventParser('');
    const events = [...parser.push(text.slice(0, at)), ...parser.push(text.slice(at))];
    t.same(
      events,
      [
        { id: '1', event: 'message', data: 'a' },
        { id: '3', event: 'x', data: 'b\nc' },
      ],
      `cut at ${at}`,
    );
    t.equal(parser.lastEventId(), '3', 'an event that is not whole is not passed');
    t.equal(parser.retryMs(), 5);
  }
  t.end();
});
