import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { GATEWAY_HEADERS, temporaryFolder } from '@muniment/testing';
import { addRoute } from '../add-route.ts';
import { build, type TestServer } from '../build.ts';

const GATEWAY = '10.1.0.5';
const STRANGER = '203.0.113.9';
const REQUEST_ID = '0123456789abcdef0123456789abcdef';

async function probe(t: Test, settings: Record<string, string> = {}): Promise<TestServer> {
  const server = await build(t, {
    settings: { TRUSTED_PROXIES: '10.1.0.0/24, ::1/128', ...settings },
  });
  addRoute(server.app, {
    url: '/who',
    handler: ({ id, ip, protocol, startedAtMs, traceparent, headers }) => ({
      id,
      ip,
      protocol,
      startedAtMs,
      traceparent,
      secret: headers['x-gateway-secret'] ?? null,
    }),
  });
  return server;
}

interface Seen {
  id: string;
  ip: string;
  protocol: string;
  startedAtMs: number;
  traceparent: string | null;
  secret: string | null;
}

/** What a service sees of a request with the gateway's secret. */
async function who(
  { app }: TestServer,
  remoteAddress: string,
  headers: Record<string, string | string[]>,
): Promise<Seen> {
  const sent = { ...GATEWAY_HEADERS, ...headers };
  return (await app.inject({ url: '/who', remoteAddress, headers: sent })).json();
}

test("the gateway's request id is taken in its one form, and answered in problems", async (t) => {
  const server = await probe(t);
  t.equal((await who(server, GATEWAY, { 'x-request-id': REQUEST_ID })).id, REQUEST_ID);
  const problem = await server.app.inject({
    url: '/nowhere',
    remoteAddress: GATEWAY,
    headers: { ...GATEWAY_HEADERS, 'x-request-id': REQUEST_ID },
  });
  t.equal(problem.json().request_id, REQUEST_ID);
});

test('a request id of another form is replaced, even by the gateway', async (t) => {
  const server = await probe(t);
  for (const offered of [
    '',
    'abc',
    REQUEST_ID.toUpperCase(),
    `${REQUEST_ID}0`,
    `${REQUEST_ID} `.repeat(2),
    '../../etc/passwd',
    '0123456789abcdef-0123456789abcdef',
    [REQUEST_ID, REQUEST_ID],
  ]) {
    const { id } = await who(server, GATEWAY, { 'x-request-id': offered });
    t.match(id, /^[0-9a-f]{32}$/);
    t.not(id, REQUEST_ID);
  }
});

test('a caller that is not the gateway cannot choose its request id, address or start time', async (t) => {
  const server = await probe(t);
  const before = Date.now();
  for (const remoteAddress of [STRANGER, '10.1.1.5', '127.0.0.1', '::2']) {
    const seen = await who(server, remoteAddress, {
      'x-request-id': REQUEST_ID,
      'x-forwarded-for': '198.51.100.7',
      'x-request-start': String(before / 1_000 - 60),
    });
    t.not(seen.id, REQUEST_ID);
    t.equal(seen.ip, remoteAddress);
    t.ok(seen.startedAtMs >= before, remoteAddress);
  }
});

test('without the secret nothing is believed, even from an address of the gateway', async (t) => {
  const server = await probe(t);
  const secret = GATEWAY_HEADERS['x-gateway-secret'];
  const before = Date.now();
  for (const offered of [
    undefined,
    '',
    'x'.repeat(secret.length),
    secret.slice(0, -1),
    `${secret}x`,
    secret.toUpperCase(),
    [secret, secret],
    ['', secret],
  ]) {
    const { body } = await server.app.inject({
      url: '/who',
      remoteAddress: GATEWAY,
      headers: {
        ...(offered !== undefined && { 'x-gateway-secret': offered }),
        'x-request-id': REQUEST_ID,
        'x-forwarded-for': '198.51.100.7',
        'x-forwarded-proto': 'https',
        'x-request-start': String(before / 1_000 - 60),
      },
    });
    const seen = JSON.parse(body) as Seen;
    t.not(seen.id, REQUEST_ID);
    t.match(seen, { ip: GATEWAY, protocol: 'http', secret: null }, String(offered));
    t.ok(seen.startedAtMs >= before, String(offered));
  }
});

test('no handler, log or error can show the secret', async (t) => {
  const server = await probe(t);
  const seen = await who(server, GATEWAY, { 'x-forwarded-proto': 'https' });
  t.match(seen, { protocol: 'https', secret: null });
});

test('two values hold while the secret rotates', async (t) => {
  const [older, newer] = ['o'.repeat(43), 'n'.repeat(43)];
  const file = join(await temporaryFolder(t), 'secret');
  await writeFile(file, `${older}\n${newer}\n`);
  const server = await probe(t, { GATEWAY_SECRET_FILE: file });
  for (const value of [older, newer])
    t.equal(
      (await who(server, GATEWAY, { 'x-gateway-secret': value, 'x-request-id': REQUEST_ID })).id,
      REQUEST_ID,
    );
  t.not((await who(server, GATEWAY, { 'x-request-id': REQUEST_ID })).id, REQUEST_ID);
});

test("the client's address is the last one that the gateway did not write about itself", async (t) => {
  const server = await probe(t);
  t.equal((await who(server, GATEWAY, { 'x-forwarded-for': '198.51.100.7' })).ip, '198.51.100.7');
  t.equal((await who(server, '::1', { 'x-forwarded-for': '2001:db8::7' })).ip, '2001:db8::7');
  t.equal(
    (await who(server, GATEWAY, { 'x-forwarded-for': '192.0.2.1, 198.51.100.7' })).ip,
    '198.51.100.7',
    'what a client put before it is not believed',
  );
  t.equal((await who(server, GATEWAY, {})).ip, GATEWAY);
});

test('the gateway gives the start time in seconds; one that is far off, or none, means now', async (t) => {
  const server = await probe(t);
  const start = Date.now() - 1_234;
  t.equal(
    (await who(server, GATEWAY, { 'x-request-start': (start / 1_000).toFixed(3) })).startedAtMs,
    start,
  );
  for (const offered of [
    undefined,
    '',
    'now',
    '0',
    '-1',
    'Infinity',
    String(Date.now()),
    String(Date.now() / 1_000 - 3_600),
    String(Date.now() / 1_000 + 3_600),
  ]) {
    const before = Date.now();
    const { startedAtMs } = await who(
      server,
      GATEWAY,
      offered === undefined ? {} : { 'x-request-start': offered },
    );
    t.ok(startedAtMs >= before && startedAtMs <= Date.now(), String(offered));
  }
});

test('a trace context is carried on in its form of version 00 and dropped in any other', async (t) => {
  const server = await probe(t);
  const sane = `00-${REQUEST_ID}-0123456789abcdef-01`;
  t.equal((await who(server, STRANGER, { traceparent: sane })).traceparent, sane);
  for (const offered of [
    '',
    'x',
    sane.toUpperCase(),
    `${sane}-extra`,
    `ff-${REQUEST_ID}-0123456789abcdef-01`,
    `${sane}\u00e9`,
  ]) {
    t.equal((await who(server, STRANGER, { traceparent: offered })).traceparent, null, offered);
  }
});
