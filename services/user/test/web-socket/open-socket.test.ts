import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { WebSocket, type ClientOptions } from 'ws';
import { createApiToken, hashApiToken } from '@muniment/security';
import { timeBound, until, untilBlocked } from '@muniment/testing';
import { buildWithMail } from '../mailbox.ts';
import { build as buildServer, PASSWORD, type SignedIn, type TestServer } from '../build.ts';

interface Answer {
  success?: boolean;
  userId?: string;
  token?: string;
  expires_at?: string;
  error?: { code: string; message: string; errors?: unknown[] };
  [name: string]: unknown;
}
interface Client {
  socket: WebSocket;
  send(message: unknown): Promise<Answer>;
  /** The next answer. */
  answer(): Promise<Answer>;
  closed: Promise<{ code: number; reason: string }>;
}

const urlOf = ({ context }: TestServer): string => {
  const address = context.http.app.server.address();
  return `ws://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/ws`;
};

async function listen(server: TestServer): Promise<string> {
  await server.context.http.app.listen({ host: '127.0.0.1', port: 0 });
  return urlOf(server);
}

async function connect(t: Test, url: string, options: ClientOptions = {}): Promise<Client> {
  const socket = new WebSocket(url, {
    ...options,
    headers: { 'user-agent': 'tap', ...options.headers },
  });
  t.teardown(() => socket.terminate());
  const answers: Answer[] = [];
  const waiting: ((answer: Answer) => void)[] = [];
  socket.on('message', (data) => {
    const answer = JSON.parse((data as Buffer).toString()) as Answer;
    const taker = waiting.shift();
    if (taker) taker(answer);
    else answers.push(answer);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  socket.on('error', () => {});
  await Promise.race([once(socket, 'open'), closed]);
  const answer = (): Promise<Answer> => {
    const known = answers.shift();
    return known ? Promise.resolve(known) : new Promise((resolve) => waiting.push(resolve));
  };
  return {
    socket,
    closed,
    answer,
    send(message) {
      socket.send(typeof message === 'string' ? message : JSON.stringify(message));
      return answer();
    },
  };
}

interface Built {
  server: TestServer;
  url: string;
  client: Client;
}

/** A server that listens, with a client. */
async function build(t: Test, settings: Record<string, string> = {}): Promise<Built> {
  const server = await buildServer(t, settings);
  const url = await listen(server);
  return { server, url, client: await connect(t, url) };
}

async function admin(server: TestServer, email = 'root@example.com'): Promise<SignedIn> {
  const root = await server.register(email, 'a long enough password');
  await server.rows(`update identity.users set type = 'admin' where id = $1`, [root.user.id]);
  await until(() => server.context.auth.revocations.userChangedAt(root.user.id) !== undefined);
  return root;
}
const tokenFor = async (client: Client, email: string, password = PASSWORD): Promise<string> =>
  (await client.send({ channel: 'auth/generateToken', payload: { email, password } })).token ??
  'none';

test("the flow of seed 002 works in the document's shapes", async (t) => {
  const { server, client } = await build(t);
  const root = await admin(server);
  const registered = await client.send({
    channel: 'auth/register',
    payload: { name: 'Alice', email: 'alice@example.com', password: 'SecretPass123' },
  });
  t.strictSame(Object.keys(registered), ['success', 'userId']);
  t.strictSame(
    await server.rows('select 1 from identity.sessions where user_id = $1', [registered.userId]),
    [],
    'a socket opens no session',
  );
  const generated = await client.send({
    channel: 'auth/generateToken',
    payload: { email: 'alice@example.com', password: 'SecretPass123' },
  });
  t.strictSame(Object.keys(generated), ['success', 'token', 'expires_at']);
  t.ok(Math.abs(Date.parse(generated.expires_at ?? '') - Date.now() - 7 * 86_400_000) < 10_000);
  const own = await client.send({
    channel: 'user/read',
    apiToken: generated.token,
    payload: { id: registered.userId },
  });
  t.strictSame(Object.keys(own), ['id', 'name', 'email', 'created_at']);
  t.match(own, { id: registered.userId, name: 'Alice', email: 'alice@example.com' });

  const apiToken = await tokenFor(client, root.user.email, 'a long enough password');
  const created = await client.send({
    channel: 'user/create',
    apiToken,
    payload: { name: 'Bob', email: 'bob@example.com' },
  });
  t.strictSame(Object.keys(created), ['success', 'userId']);
  t.match(await client.send({ channel: 'user/read', apiToken, payload: { id: created.userId } }), {
    name: 'Bob',
    email: 'bob@example.com',
  });
  t.strictSame(
    await client.send({
      channel: 'user/update',
      apiToken,
      payload: { id: created.userId, name: 'Bobby', email: 'bobby@example.com' },
    }),
    { success: true },
  );
  t.match(
    await server.rows(
      'select name, email, email_key, password_hash, type from identity.users where id = $1',
      [created.userId],
    ),
    [
      {
        name: 'Bobby',
        email: 'bobby@example.com',
        email_key: 'bobby@example.com',
        password_hash: null,
        type: 'customer',
      },
    ],
  );
  t.strictSame(
    await client.send({ channel: 'user/delete', apiToken, payload: { id: created.userId } }),
    { success: true },
  );
  t.match(await client.send({ channel: 'user/read', apiToken, payload: { id: created.userId } }), {
    success: false,
    error: { code: 'user_not_found' },
  });
  t.strictSame(
    await client.send({
      channel: 'user/delete',
      apiToken: generated.token,
      payload: { id: registered.userId },
    }),
    { success: true },
    'oneself',
  );
  t.match(
    await client.send({
      channel: 'user/read',
      apiToken: generated.token,
      payload: { id: registered.userId },
    }),
    { success: false, error: { code: 'unauthenticated' } },
  );
  const events = await server.events();
  t.strictSame(events.map(({ action }) => action).slice(1), [
    'SIGNUP_SUCCESS',
    'API_TOKEN_CREATED',
    'LOGIN_SUCCESS',
    'API_TOKEN_CREATED',
    'LOGIN_SUCCESS',
    'USER_CREATED',
    'USER_UPDATED',
    'USER_DELETED',
    'USER_DELETED',
  ]);
  t.ok(
    events
      .slice(6)
      .every(
        ({ session_id, metadata }) => session_id === null && typeof metadata.api_token === 'string',
      ),
  );
  t.notOk(JSON.stringify(events).includes('mun_'));
});

test('a move to another address tells the old one and voids its links', async (t) => {
  const server = await buildWithMail(t);
  const client = await connect(t, urlOf(server));
  const [root, ada] = [await admin(server), await server.register()];
  const apiToken = await tokenFor(client, root.user.email, 'a long enough password');
  const token = await server.resetTokenOf('ada@example.com');
  t.strictSame(
    await client.send({
      channel: 'user/update',
      apiToken,
      payload: { id: ada.user.id, name: 'Ada', email: 'ADA@example.com' },
    }),
    { success: true },
    'the same address, spelt otherwise',
  );
  t.strictSame(
    await client.send({
      channel: 'user/update',
      apiToken,
      payload: { id: ada.user.id, email: 'lovelace@example.com' },
    }),
    { success: true },
  );
  const reset = await server.call('POST', '/api/auth/reset-password', {
    body: { token, password: 'a second horse battery' },
  });
  t.match(reset.json(), { status: 422, code: 'reset_token_invalid' });
  const [told] = await server.mailsTo('ADA@example.com');
  t.match(told?.text, /lovelace@example\.com/);
  t.equal(server.catcher.mails().length, 2, 'besides the link, and that is all');
});

test("an id in capitals does not get past the checks of the token's owner", async (t) => {
  const { server, client } = await build(t);
  const root = await admin(server);
  const ada = await server.register();
  const apiToken = await tokenFor(client, root.user.email, 'a long enough password');
  const capitals = root.user.id.toUpperCase();
  t.match(
    await client.send({
      channel: 'user/update',
      apiToken,
      payload: { id: capitals, email: 'mallory@example.com' },
    }),
    { error: { code: 'session_required' } },
  );
  t.match(await server.rows('select email from identity.users where id = $1', [root.user.id]), [
    { email: root.user.email },
  ]);
  t.match(await client.send({ channel: 'user/read', apiToken, payload: { id: capitals } }), {
    id: root.user.id,
  });
  const own = await tokenFor(client, 'ada@example.com', PASSWORD);
  t.match(
    await client.send({
      channel: 'user/read',
      apiToken: own,
      payload: { id: ada.user.id.toUpperCase() },
    }),
    { id: ada.user.id },
    'oneself',
  );
  t.strictSame(
    await client.send({
      channel: 'user/delete',
      apiToken: own,
      payload: { id: ada.user.id.toUpperCase() },
    }),
    { success: true },
  );
  t.match((await server.events()).at(-1), { action: 'USER_DELETED', resource: ada.user.id });
  t.match(
    await client.send({ channel: 'user/read', apiToken: own, payload: { id: ada.user.id } }),
    { error: { code: 'unauthenticated' } },
  );
});

test('ten parallel token requests for one account succeed without deadlock', async (t) => {
  const { server, url } = await build(t);
  const { user } = await server.register();
  const clients = await Promise.all(Array.from({ length: 10 }, () => connect(t, url)));
  // Holds the lock until several requests wait for it.
  await server.rows('begin');
  await server.rows('select 1 from identity.users where id = $1 for update', [user.id]);
  const sent = clients.map((client) =>
    client.send({
      channel: 'auth/generateToken',
      payload: { email: 'ada@example.com', password: PASSWORD },
    }),
  );
  await untilBlocked(server.rows, 'three requests wait for the account', 3);
  await server.rows('commit');
  const answers = await Promise.all(sent);
  t.ok(
    answers.every(({ success }) => success),
    JSON.stringify(answers),
  );
  const [{ deadlocks } = { deadlocks: '' }] = await server.rows<{ deadlocks: string }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  );
  t.equal(Number(deadlocks), 0);
});

test('sockets of one replica', async (t) => {
  const { server, url } = await build(t);
  const ada = await server.register();

  await t.test(
    'a wrong password and an unknown address get the same answer, as over HTTP',
    async (t) => {
      const client = await connect(t, url);
      const answers = [];
      for (const email of ['ada@example.com', 'nobody@example.com'])
        answers.push(
          await client.send({
            channel: 'auth/generateToken',
            payload: { email, password: 'wrong password' },
          }),
        );
      t.strictSame(answers[0], answers[1]);
      t.match(answers[0], { success: false, error: { code: 'invalid_credentials' } });
      t.equal((await server.events()).filter(({ action }) => action === 'LOGIN_FAIL').length, 2);
      t.match(
        await client.send({
          channel: 'auth/register',
          payload: { name: 'A', email: 'ada@example.com', password: PASSWORD },
        }),
        { error: { code: 'email_taken' } },
      );
      t.match(
        await client.send({
          channel: 'auth/register',
          payload: { name: 'A', email: 'b@example.com', password: 'password1' },
        }),
        { error: { code: 'password_common' } },
      );
    },
  );

  await t.test('a token reaches no other account', async (t) => {
    const client = await connect(t, url);
    const [bob, root] = [await server.register('bob@example.com'), await admin(server)];
    const apiToken = await tokenFor(client, 'ada@example.com');
    for (const id of [bob.user.id, '01890000-0000-7000-8000-000000000000']) {
      for (const [channel, payload] of [
        ['user/read', { id }],
        ['user/update', { id, name: 'x' }],
        ['user/delete', { id }],
      ] as const) {
        t.strictSame(
          await client.send({ channel, apiToken, payload }),
          {
            success: false,
            error: {
              code: 'permission_denied',
              message: 'Your role does not allow this. Ask an administrator.',
            },
          },
          `${channel} of ${id}`,
        );
      }
    }
    t.match(
      await client.send({
        channel: 'user/create',
        apiToken,
        payload: { name: 'x', email: 'x@example.com' },
      }),
      { error: { code: 'permission_denied' } },
    );
    t.match(
      await client.send({
        channel: 'user/update',
        apiToken,
        payload: { id: ada.user.id, email: 'mallory@example.com' },
      }),
      { error: { code: 'session_required' } },
    );
    t.strictSame(
      await client.send({
        channel: 'user/update',
        apiToken,
        payload: { id: ada.user.id, name: 'Ada L.', email: 'ada@example.com' },
      }),
      { success: true },
      "one's address as it is",
    );
    t.match(
      await server.rows('select email, name from identity.users where id = $1', [ada.user.id]),
      [{ email: 'ada@example.com', name: 'Ada L.' }],
    );
    t.equal((await server.events()).filter(({ action }) => action === 'ACCESS_DENIED').length, 7);

    await server.rows(`update identity.users set type = 'admin' where id = $1`, [bob.user.id]);
    const rootToken = await tokenFor(client, root.user.email, 'a long enough password');
    t.match(
      await client.send({
        channel: 'user/update',
        apiToken: rootToken,
        payload: { id: bob.user.id, email: 'mallory@example.com' },
      }),
      { error: { code: 'permission_denied' } },
      'another administrator',
    );
    t.match(
      await client.send({
        channel: 'user/delete',
        apiToken: rootToken,
        payload: { id: bob.user.id },
      }),
      { error: { code: 'permission_denied' } },
    );
    for (const [event, operation] of (await server.events())
      .slice(-2)
      .map((event, index) => [event, ['update_user', 'delete_user'][index]] as const))
      t.match(event, {
        action: 'ACCESS_DENIED',
        metadata: { reason: 'privileged_target', operation: `web-socket.${operation}` },
      });
    t.match(
      await client.send({
        channel: 'user/update',
        apiToken: rootToken,
        payload: { id: ada.user.id, email: 'BOB@example.com' },
      }),
      { error: { code: 'email_taken' } },
    );
  });

  await t.test('other tokens, missing scopes and revoked tokens are refused', async (t) => {
    const client = await connect(t, url);
    const read = (apiToken?: unknown) =>
      client.send({ channel: 'user/read', apiToken, payload: { id: ada.user.id } });
    for (const apiToken of [ada.token, ada.refresh_token, 'mun_x', '', undefined])
      t.match(
        await read(apiToken),
        { error: { code: 'unauthenticated' } },
        String(apiToken).slice(0, 8),
      );
    t.match(await read(7), { error: { code: 'message_invalid' } });
    const made = (
      await server.call('POST', '/api/auth/tokens', {
        token: ada.token,
        body: { name: 'x', scopes: ['files:read'] },
      })
    ).json<{ token: string }>();
    t.match(await read(made.token), { error: { code: 'insufficient_scope' } });
    const restricted = (
      await server.call('POST', '/api/auth/tokens', {
        token: ada.token,
        body: { name: 'x', scopes: ['profile:read'], allowed_ips: ['192.0.2.1'] },
      })
    ).json<{ token: string }>();
    t.match(await read(restricted.token), { error: { code: 'unauthenticated' } });
    t.match((await server.events()).at(-1), {
      action: 'ACCESS_DENIED',
      metadata: { reason: 'address' },
    });
    const token = await tokenFor(client, 'ada@example.com');
    t.match(await read(token), { id: ada.user.id });
    const { data } = (await server.call('GET', '/api/auth/tokens', { token: ada.token })).json<{
      data: { id: string; name: string }[];
    }>();
    const { id } = data.find(({ name }) => name === 'auth/generateToken') ?? { id: '' };
    await server.call('DELETE', `/api/auth/tokens/${id}`, { token: ada.token });
    t.match(await read(token), { error: { code: 'unauthenticated' } }, 'from the next message on');
  });

  await t.test('an invalid message gets its code, and the socket stays open', async (t) => {
    const client = await connect(t, url);
    for (const [text, code] of [
      ['', 'malformed_json'],
      ['{', 'malformed_json'],
      ['[]', 'message_invalid'],
      ['null', 'message_invalid'],
      ['"x"', 'message_invalid'],
      ['{}', 'message_invalid'],
      ['{"channel":"user/everything","payload":{}}', 'channel_unknown'],
      ['{"channel":"__proto__","payload":{}}', 'channel_unknown'],
      ['{"channel":"constructor"}', 'channel_unknown'],
      ['{"channel":7}', 'channel_unknown'],
      [
        '{"channel":"auth/register","payload":{"email":"a@b.example","password":"x\\u0000y"}}',
        'malformed_text',
      ],
      [
        '{"channel":"auth/register","payload":{"email":"a@b.example","password":"\\ud800"}}',
        'malformed_text',
      ],
      [
        '{"channel":"auth/register","payload":{"email":"a@b.example",' +
          '"password":"long enough one","type":"admin"}}',
        'message_invalid',
      ],
      [
        '{"channel":"auth/register","payload":{"__proto__":{"type":"admin"},' +
          '"email":"a@b.example","password":"long enough one"}}',
        'message_invalid',
      ],
      [
        '{"channel":"auth/generateToken","apiToken":"x",' +
          '"payload":{"email":"a@b.example","password":"long enough one"}}',
        'message_invalid',
      ],
      [`${'['.repeat(30_000)}`, 'malformed_json'],
    ] as const)
      t.match(await client.send(text), { success: false, error: { code } }, text.slice(0, 70));
    t.strictSame(await server.rows(`select 1 from identity.users where email = 'a@b.example'`), []);
  });

  await t.test('a message that does not fit names its fields', async (t) => {
    const client = await connect(t, url);
    for (const [payload, errors] of [
      ['{"id":2}', [{ pointer: '/payload/id', message: 'must be string' }]],
      ['{"id":"2"}', [{ pointer: '/payload/id', message: 'must match format "uuid"' }]],
      ['{}', [{ pointer: '/payload/id', message: "must have required property 'id'" }]],
      ['[]', [{ pointer: '/payload', message: 'must be object' }]],
    ] as const) {
      const answer = await client.send(`{"channel":"user/read","payload":${payload}}`);
      t.match(answer, { success: false, error: { code: 'message_invalid', errors } }, payload);
      t.match(answer.error?.message, errors[0].pointer, 'for people too');
    }
    for (const [text, errors] of [
      ['{}', [{ pointer: '/channel', message: "must have required property 'channel'" }]],
      ['[]', [{ pointer: '', message: 'must be object' }]],
    ] as const)
      t.strictSame((await client.send(text)).error?.errors, errors, text);
  });

  await t.test('a socket closes within a second of the end of its last token', async (t) => {
    const bob = await server.register('bob-4401@example.com');
    const use = async (email: string) => {
      const client = await connect(t, url);
      const apiToken = await tokenFor(client, email);
      t.match(await client.send({ channel: 'user/read', apiToken, payload: { id: bob.user.id } }), {
        id: bob.user.id,
      });
      return { client, apiToken };
    };
    const endings = {
      'a revocation': () =>
        server.rows('update identity.api_tokens set revoked_at = now() where user_id = $1', [
          bob.user.id,
        ]),
      'a suspension': () =>
        server.rows(`update identity.users set status = 'suspended' where id = $1`, [bob.user.id]),
    };
    for (const [name, end] of Object.entries(endings)) {
      const { client } = await use('bob-4401@example.com');
      const began = performance.now();
      await end();
      t.strictSame(await client.closed, { code: 4401, reason: 'token_revoked' }, name);
      const took = Math.round(performance.now() - began);
      t.ok(took < timeBound(1_000), `${name}: after ${took} ms`);
    }
    await server.rows(`update identity.users set status = 'active' where id = $1`, [bob.user.id]);
    const { client, apiToken } = await use('bob-4401@example.com');
    const payload = { id: bob.user.id };
    t.strictSame(
      await client.send({ channel: 'user/delete', apiToken, payload }),
      { success: true },
      'the message that ended its own token is answered',
    );
    t.match(await client.closed, { code: 4401 });
  });

  await t.test('a token that expires is announced, and then closes its socket', async (t) => {
    const client = await connect(t, url);
    const apiToken = createApiToken();
    const [token] = await server.rows<{ id: string; expires_at: Date }>(
      `insert into identity.api_tokens (id, user_id, token_hash, name, scopes, expires_at)
       values (uuidv7(), $1, $2, 'x', '{profile:read}', now() + interval '5 s')
       returning id, expires_at`,
      [ada.user.id, hashApiToken(apiToken)],
    );
    t.match(await client.send({ channel: 'user/read', apiToken, payload: { id: ada.user.id } }), {
      id: ada.user.id,
    });
    t.strictSame(await client.answer(), {
      event: 'token_expiring',
      token_id: token?.id,
      expires_at: token?.expires_at.toISOString(),
    });
    t.strictSame(await client.closed, { code: 4401, reason: 'token_expired' });
  });

  await t.test(
    'binary, oversized and broken frames close their socket with its code',
    async (t) => {
      const client = await connect(t, url);
      const closedBy = async (send: (socket: WebSocket) => void): Promise<number> => {
        const other = await connect(t, url);
        send(other.socket);
        return (await other.closed).code;
      };
      t.equal(await closedBy((socket) => socket.send(Buffer.from([1, 2, 3]))), 1003);
      t.equal(await closedBy((socket) => socket.send('x'.repeat(1_048_576))), 1009);
      t.equal(
        await closedBy((socket) => socket.send(`"${'x'.repeat(65_536)}`)),
        1009,
        'one byte too many',
      );
      t.equal(
        await closedBy((socket) => socket.send(Buffer.from([0xff, 0xfe]), { binary: false })),
        1007,
      );
      t.match(await client.send('{}'), { error: { code: 'message_invalid' } });
    },
  );

  await t.test(
    'a flood closes its socket, and a short pipeline is answered in order',
    async (t) => {
      const client = await connect(t, url);
      const apiToken = await tokenFor(client, 'ada@example.com');
      for (let n = 0; n < 20; n += 1)
        client.socket.send(
          JSON.stringify(
            n % 2
              ? { channel: 'user/read', apiToken, payload: { id: ada.user.id } }
              : { channel: `n${n}` },
          ),
        );
      for (let n = 0; n < 20; n += 1)
        t.match(
          await client.answer(),
          n % 2 ? { id: ada.user.id } : { error: { code: 'channel_unknown' } },
          `answer ${n}`,
        );
      const flood = await connect(t, url);
      for (let n = 0; n < 5_000; n += 1) flood.socket.send('{}');
      t.equal((await flood.closed).code, 1008);
      t.match(await client.send('{}'), { error: { code: 'message_invalid' } }, 'another goes on');
    },
  );
});

test('pages of other origins open no socket', async (t) => {
  const { server, url } = await build(t, { CORS_ORIGINS: 'https://app.example', SOCKET_MAX: '3' });
  const status = (options: ClientOptions): Promise<number> =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, options);
      t.teardown(() => socket.terminate());
      socket.on('open', () => resolve(101));
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
      socket.on('error', () => {});
    });
  for (const origin of [
    'https://evil.example',
    'https://app.example.evil.example',
    'null',
    'http://app.example',
  ])
    t.equal(await status({ headers: { origin } }), 403, origin);
  t.equal(await status({ headers: { origin: 'https://app.example' } }), 101);
  t.equal(
    await status({ headers: { origin: 'http://localhost:8080' } }),
    101,
    'the page of the gateway itself',
  );
  t.equal(await status({}), 503, 'and no more than there may be');
  const plain = await server.call('GET', '/ws');
  t.equal(plain.statusCode, 426);
  t.match(plain.json(), { code: 'upgrade_required' });
  t.equal(plain.headers.upgrade, 'websocket');
});

test('a stop answers the messages that have come and closes with 1012', async (t) => {
  const { server, client } = await build(t);
  const before = await server.rows('select from identity.users');
  client.socket.send(
    JSON.stringify({
      channel: 'auth/register',
      payload: { name: 'A', email: 'late@example.com', password: PASSWORD },
    }),
  );
  // On a busy machine the hash may be made between two looks.
  await until(
    async () =>
      server.context.passwords.load().running > 0 ||
      (await server.rows('select from identity.users')).length > before.length,
    { what: 'the registration has begun' },
  );
  // Both wait behind the registration.
  client.socket.send('{}');
  client.socket.send('{}');
  await sleep(5);
  const stopped = server.context.http.app.close();
  t.match(await client.answer(), { success: true });
  t.match(await client.answer(), { success: false });
  t.match(await client.answer(), { success: false });
  t.equal((await client.closed).code, 1012);
  await stopped;
});

test('a handshake that comes during a stop is answered and closed with 1012', async (t) => {
  const { server, client } = await build(t);
  const kept = connectTcp(Number(new URL(urlOf(server)).port), '127.0.0.1');
  t.teardown(() => kept.destroy());
  let text = '';
  kept.setEncoding('latin1').on('data', (chunk) => {
    text += String(chunk);
  });
  kept.write('GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await until(() => text.includes('live'), { what: 'the connection is kept' });
  const stopped = server.context.http.app.close();
  await client.closed;
  kept.write(
    'GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
      'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await once(kept, 'close');
  t.match(text, 'HTTP/1.1 101');
  t.match(text, '\x03\xf4', 'close code 1012');
  await stopped;
});
