import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test, type Test } from 'tap';
import { timeBound } from '@muniment/testing';
import { parseAllowList, type Resolve } from '../../../webhooks/delivery/endpoint.ts';
import { createSender, type SenderOptions } from '../../../webhooks/delivery/send.ts';
import { startReceiver } from './receiver.ts';

const nowhere: Resolve = async (host) => {
  throw new Error(`${host} was looked up`);
};

const sender = (host: string, options: Partial<SenderOptions> = {}) =>
  createSender({ allowList: parseAllowList(host), resolve: nowhere, timeoutMs: 2_000, ...options });

async function certificate(t: Test, name: string): Promise<{ key: string; cert: string }> {
  const folder = t.testdir();
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  await promisify(execFile)('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
    '-subj',
    `/CN=${name}`,
    '-addext',
    `subjectAltName=DNS:${name}`,
  ]);
  return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
}

test('what is sent arrives as it is; any 2xx is a delivery', async (t) => {
  const receiver = await startReceiver(t);
  const send = sender(receiver.host);
  for (const status of [200, 201, 202, 204, 299]) {
    receiver.answer = (_, response) => void response.writeHead(status).end();
    t.same(await send(`http://${receiver.host}/hook?a=b`, { 'webhook-id': 'x' }, '{"ä":1}'), {
      delivered: true,
      status,
      error: null,
      retryAfterMs: 0,
    });
  }
  t.match(receiver.received[0], {
    url: '/hook?a=b',
    body: '{"ä":1}',
    headers: { 'webhook-id': 'x', 'content-type': 'application/json', host: receiver.host },
  });
});

test('other statuses and redirects are failures, and Retry-After is returned', async (t) => {
  const other = await startReceiver(t);
  const receiver = await startReceiver(t);
  const send = sender(`${receiver.host},${other.host}`);
  for (const status of [301, 302, 303, 307, 308]) {
    receiver.answer = (_, response) =>
      void response.writeHead(status, { location: `http://${other.host}/` }).end();
    t.match(await send(`http://${receiver.host}/`, {}, '{}'), {
      delivered: false,
      status,
      error: 'redirect_refused',
    });
  }
  t.equal(other.received.length, 0);
  for (const status of [400, 401, 404, 410, 429, 500, 503]) {
    receiver.answer = (_, response) =>
      void response.writeHead(status, { 'retry-after': '7' }).end('no');
    t.same(await send(`http://${receiver.host}/`, {}, '{}'), {
      delivered: false,
      status,
      error: 'status',
      retryAfterMs: 7_000,
    });
  }
  receiver.answer = (_, response) =>
    void response
      .writeHead(503, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() })
      .end();
  t.ok(Math.abs((await send(`http://${receiver.host}/`, {}, '{}')).retryAfterMs - 60_000) < 3_000);
  receiver.answer = (_, response) => void response.writeHead(503, { 'retry-after': 'soon' }).end();
  t.equal((await send(`http://${receiver.host}/`, {}, '{}')).retryAfterMs, 0);
});

test('a silent, slow, endless or absent receiver costs at most the time limit', async (t) => {
  const receiver = await startReceiver(t);
  const send = sender(`${receiver.host},127.0.0.1:9`, { timeoutMs: 500 });
  const timed = async (url = `http://${receiver.host}/`) => {
    const began = performance.now();
    const outcome = await send(url, {}, '{}');
    t.ok(performance.now() - began < timeBound(1_000));
    return outcome;
  };
  receiver.answer = () => {};
  t.match(await timed(), { delivered: false, status: null, error: 'timeout' });
  receiver.answer = (_, response) => {
    response.writeHead(200);
    const drip = setInterval(() => response.write('x'), 50);
    response.on('close', () => clearInterval(drip));
  };
  const dripped = await timed();
  t.notOk(dripped.delivered && dripped.status === null);
  let written = 0;
  receiver.answer = (_, response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536))) written += 65_536;
    };
    response.on('drain', more);
    more();
  };
  t.match(
    await timed(),
    { delivered: true, status: 200 },
    'the status counts; of the body a little is read',
  );
  t.ok(written < 16 * 1024 * 1024, `${written} bytes were taken`);
  receiver.answer = (_, response) => void response.socket?.destroy();
  t.match(await timed(), { delivered: false, status: null, error: 'econnreset' });
  t.match(await timed('http://127.0.0.1:9/'), {
    delivered: false,
    status: null,
    error: 'econnrefused',
  });
});

test('a name server that never answers is given up on', async (t) => {
  const send = sender('', { timeoutMs: 300, resolve: () => new Promise(() => {}) });
  t.match(await send('https://example.com/', {}, '{}'), { delivered: false, error: 'timeout' });
});

test('a name with an inside address is refused at each delivery', async (t) => {
  const receiver = await startReceiver(t);
  for (const addresses of [
    ['127.0.0.1'],
    ['93.184.216.34', '127.0.0.1'],
    ['169.254.169.254'],
    ['::1'],
    ['::ffff:127.0.0.1'],
    [],
  ]) {
    const send = sender('', { resolve: async () => addresses });
    t.match(
      await send(`https://hooks.example.com:${receiver.port}/`, {}, '{}'),
      { delivered: false, status: null, error: 'address_refused' },
      addresses.join(),
    );
  }
  t.equal(receiver.received.length, 0);
});

test('the connection goes to the checked address, and TLS verifies the name', async (t) => {
  const name = 'hooks.example.test';
  const tls = await certificate(t, name);
  const receiver = await startReceiver(t, tls);
  let lookups = 0;
  // Rebinding: the first answer leads to the receiver (allowed here), later ones elsewhere.
  const resolve: Resolve = async () => {
    lookups += 1;
    return lookups === 1 ? ['127.0.0.1'] : ['127.0.0.2'];
  };
  const send = sender(`${name}:${receiver.port}`, { resolve, ca: tls.cert });
  t.match(await send(`https://${name}:${receiver.port}/`, {}, '{}'), {
    delivered: true,
    status: 204,
  });
  t.equal(lookups, 1);
  t.equal(receiver.received[0]?.headers.host, `${name}:${receiver.port}`);

  const stranger = sender(`other.example.test:${receiver.port}`, {
    resolve: async () => ['127.0.0.1'],
    ca: tls.cert,
  });
  t.match(await stranger(`https://other.example.test:${receiver.port}/`, {}, '{}'), {
    delivered: false,
    error: 'err_tls_cert_altname_invalid',
  });
  const untrusting = sender(`${name}:${receiver.port}`, { resolve: async () => ['127.0.0.1'] });
  t.match(await untrusting(`https://${name}:${receiver.port}/`, {}, '{}'), {
    delivered: false,
    status: null,
  });
  t.equal(receiver.received.length, 1);
});

test('nothing is written to a peer whose address is not literally a checked one', async (t) => {
  const receiver = await startReceiver(t);
  // The runtime reports this address as ::ffff:127.0.0.1.
  const resolve: Resolve = async () => ['::ffff:7f00:1'];
  const host = `hooks.example.test:${receiver.port}`;
  t.match(await sender(host, { resolve })(`http://${host}/`, {}, '{}'), {
    delivered: false,
    error: 'address_refused',
  });
  t.same(receiver.received, []);
});

test('an attempt that is cut off by its caller is no failure of the receiver', async (t) => {
  const receiver = await startReceiver(t);
  receiver.answer = () => {};
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 100);
  await t.rejects(sender(receiver.host)(`http://${receiver.host}/`, {}, '{}', stop.signal), {
    name: 'AbortError',
  });
});
