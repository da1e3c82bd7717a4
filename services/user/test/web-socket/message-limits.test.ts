import { test, type Test } from 'tap';
import { GATEWAY_HEADERS } from '@muniment/testing';
import { WebSocket } from 'ws';
import { build as buildServer, PASSWORD, type TestServer } from '../build.ts';

interface Answer {
  token?: string;
  error?: { code: string };
}

/** A server with limits, and the means to send one message after the other. */
async function build(t: Test, rules: string) {
  const server = await buildServer(t, { LIMITS: 'on', LIMIT_RULES: rules });
  const { app } = server.context.http;
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const open = (ip: string) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
      headers: { ...GATEWAY_HEADERS, 'user-agent': 'tap', 'x-forwarded-for': ip },
    });
    t.teardown(() => socket.terminate());
    const opened = new Promise((resolve) => socket.once('open', resolve));
    return async (message: object): Promise<Answer> => {
      await opened;
      const answer = new Promise<Answer>((resolve) =>
        socket.once('message', (data) => resolve(JSON.parse((data as Buffer).toString()))),
      );
      socket.send(JSON.stringify(message));
      return answer;
    };
  };
  const ada = await server.register();
  return { server, open, ada };
}

const tokenFor = async (send: (message: object) => Promise<Answer>): Promise<string> => {
  const payload = { email: 'ada@example.com', password: PASSWORD };
  return (await send({ channel: 'auth/generateToken', payload })).token ?? 'none';
};

async function codesOf(count: number, send: () => Promise<Answer>): Promise<string[]> {
  const codes: string[] = [];
  for (let n = 0; n < count; n += 1) codes.push((await send()).error?.code ?? 'success');
  return codes;
}

const denials = async (server: TestServer) =>
  (await server.events()).filter(({ action }) => action === 'ACCESS_DENIED');

test('denied messages end in rate_limited with one more event', async (t) => {
  const { server, open } = await build(t, 'denials=3/3600');
  const send = open('192.0.2.1');
  const apiToken = await tokenFor(send);
  const id = '01890000-0000-7000-8000-000000000000';
  t.strictSame(await codesOf(6, () => send({ channel: 'user/read', apiToken, payload: { id } })), [
    ...Array<string>(3).fill('permission_denied'),
    ...Array<string>(3).fill('rate_limited'),
  ]);
  t.strictSame(
    (await denials(server)).map(({ error }) => error),
    [null, null, null, 'rate_limited'],
  );
});

test("allowed messages count as the caller's requests, by whichever socket they come", async (t) => {
  const { server, open, ada } = await build(t, 'requests=6/3600');
  const apiToken = await tokenFor(open('192.0.2.1'));
  const read = { channel: 'user/read', apiToken, payload: { id: ada.user.id } };
  const [one, other] = [open('192.0.2.2'), open('192.0.2.3')];
  t.strictSame(await codesOf(4, () => one(read)), Array(4).fill('success'));
  t.strictSame(await codesOf(4, () => other(read)), [
    'success',
    'success',
    'rate_limited',
    'rate_limited',
  ]);
  const http = await server.call('GET', '/api/users/me', { token: ada.token });
  t.equal(http.statusCode, 429, 'HTTP and the sockets share the limit');
  t.match(await denials(server), [
    { user_id: ada.user.id, error: 'rate_limited', metadata: { limit: 'requests' } },
  ]);
  t.equal((await denials(server)).length, 1);
});

test('messages that cannot be read, and those without a token, count by network', async (t) => {
  const { open } = await build(t, 'requests=5/3600');
  const send = open('192.0.2.1');
  const payload = { email: 'ada@example.com', password: 'a wrong password' };
  t.strictSame(await codesOf(1, () => send({ channel: 'auth/generateToken', payload })), [
    'invalid_credentials',
  ]);
  t.strictSame(await codesOf(1, () => send({ channel: 'n' })), ['channel_unknown']);
  // The handshake was the first request of the network.
  t.strictSame(await codesOf(4, () => send({})), [
    'message_invalid',
    'message_invalid',
    'rate_limited',
    'rate_limited',
  ]);
  t.strictSame(await codesOf(1, () => send({ channel: 'auth/generateToken', payload })), [
    'rate_limited',
  ]);
});

test('unknown tokens and tokens elsewhere count by network, before an event', async (t) => {
  const { server, open, ada } = await build(t, 'rejected_network=4/3600,denials=2/3600');
  const made = await server.call('POST', '/api/auth/tokens', {
    token: ada.token,
    body: { name: 'x', scopes: ['profile:read'], allowed_ips: ['198.51.100.1'] },
  });
  const bound = made.json<{ token: string }>().token;
  const messageWith = (apiToken: string) => ({
    channel: 'user/read',
    apiToken,
    payload: { id: ada.user.id },
  });
  const codes = [
    ...Array<string>(4).fill('unauthenticated'),
    ...Array<string>(2).fill('rate_limited'),
  ];
  const [one, other] = [open('192.0.2.1'), open('192.0.2.2')];
  t.strictSame(await codesOf(6, () => one(messageWith(bound))), codes);
  t.strictSame(await codesOf(6, () => other(messageWith('mun_x'))), codes);
  t.strictSame(
    (await denials(server)).map(({ error }) => error),
    [null, null, 'rate_limited'],
  );
});
