import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { PASSWORD, shareFleet, type FleetProcess } from '../fleet.ts';
import { holdMessage } from '../message-contract.ts';
import { isProblem } from '../problems.ts';
import { openDatabase } from '../stores.ts';

interface Answer {
  success?: boolean;
  userId?: string;
  token?: string;
  expires_at?: string;
  error?: { code: string };
  [name: string]: unknown;
}

const DAY_MS = 86_400_000;

/** Sends one message over a new socket. @returns its answer */
async function ask(url: string, message: object): Promise<Answer> {
  const socket = new WebSocket(url);
  try {
    const answer = await new Promise<Answer>((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify(message));
      socket.onmessage = ({ data }) => resolve(JSON.parse(String(data)) as Answer);
      socket.onerror = () => reject(new Error(`the socket of ${url} failed`));
      socket.onclose = () => reject(new Error(`the socket of ${url} closed without an answer`));
    });
    holdMessage(message, answer);
    return answer;
  } finally {
    socket.close();
  }
}

test('seed 002 and API tokens work on two replicas of each service', async (t) => {
  const fleet = await shareFleet();
  const rows = await openDatabase(t, fleet);
  const replicas = (await fleet.describe()).processes.filter(({ service }) =>
    ['user', 'file', 'audit'].includes(service),
  );
  t.equal(replicas.length, 6);
  const [one = '', two = ''] = replicas
    .filter(({ service }) => service === 'user')
    .map(({ port }) => `ws://127.0.0.1:${port}/ws`);
  const gateway = `${fleet.url.replace('http', 'ws')}/ws`;
  const visit = async ({ service, port }: FleetProcess, token: string): Promise<number> => {
    const path = {
      user: '/api/users/me',
      file: '/api/files?limit=1',
      audit: '/api/audit/logs?limit=1',
    }[service as 'user' | 'file' | 'audit'];
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { authorization: `Bearer ${token}`, connection: 'close' },
    });
    await answer.arrayBuffer();
    return answer.status;
  };

  const registered = await ask(gateway, {
    channel: 'auth/register',
    payload: { name: 'Alice', email: 'alice@example.com', password: 'SecretPass123' },
  });
  t.match(registered, { success: true, userId: /^[0-9a-f-]{36}$/ });
  const aliceId = registered.userId ?? '';
  const generated = await ask(gateway, {
    channel: 'auth/generateToken',
    payload: { email: 'alice@example.com', password: 'SecretPass123' },
  });
  t.match(generated, { success: true, token: /^mun_[0-9A-Za-z]{40,}$/ });
  t.ok(
    Math.abs(Date.parse(generated.expires_at ?? '') - Date.now() - 7 * DAY_MS) < 60_000,
    'valid for seven days',
  );
  const alice = generated.token ?? '';
  t.match(
    await rows('select ip, user_agent from identity.api_tokens where user_id = $1', [aliceId]),
    [{ ip: '127.0.0.1', user_agent: /./ }],
  );

  const admin = await fleet.signUp();
  await rows(`update identity.users set type = 'admin' where id = $1`, [admin.user.id]);
  const root =
    (
      await ask(gateway, {
        channel: 'auth/generateToken',
        payload: { email: admin.user.email, password: PASSWORD },
      })
    ).token ?? '';

  await t.test('each channel works across replicas', async (t) => {
    const created = await ask(one, {
      channel: 'user/create',
      apiToken: root,
      payload: { name: 'Bob', email: 'bob@example.com' },
    });
    t.match(created, { success: true, userId: /^[0-9a-f-]{36}$/ });
    const id = created.userId ?? '';
    const read = (at: string) => ask(at, { channel: 'user/read', apiToken: root, payload: { id } });
    t.match(await read(two), {
      id,
      name: 'Bob',
      email: 'bob@example.com',
      created_at: /^\d{4}-\d\d-\d\dT/,
    });
    t.strictSame(
      await ask(two, {
        channel: 'user/update',
        apiToken: root,
        payload: { id, name: 'Bobby', email: 'bobby@example.com' },
      }),
      { success: true },
    );
    t.match(await read(one), { id, name: 'Bobby', email: 'bobby@example.com' });
    t.match(await ask(two, { channel: 'user/read', apiToken: alice, payload: { id } }), {
      success: false,
      error: { code: 'permission_denied' },
    });
    t.strictSame(await ask(one, { channel: 'user/delete', apiToken: root, payload: { id } }), {
      success: true,
    });
    for (const at of [one, two, gateway])
      t.match(await read(at), { success: false, error: { code: 'user_not_found' } });
  });

  await t.test(
    'a token opens its scopes at every replica and ends everywhere at once',
    async (t) => {
      const session = (
        (await (
          await fleet.call('POST', '/login', {
            json: { email: 'alice@example.com', password: 'SecretPass123' },
          })
        ).json()) as { token: string }
      ).token;
      const made = (await (
        await fleet.call('POST', '/api/auth/tokens', {
          token: session,
          json: { name: 'backup', scopes: ['profile:read', 'files:read', 'audit:read-own'] },
        })
      ).json()) as { id: string; token: string };
      for (const replica of replicas) {
        t.equal(await visit(replica, made.token), 200, replica.name);
        t.equal(
          await visit(replica, alice),
          replica.service === 'user' ? 200 : 403,
          `${replica.name}: the socket's token is for users`,
        );
      }

      const stream = await fleet.call('GET', '/api/audit/stream', { token: made.token });
      t.equal(stream.status, 200);
      const tokens = (await (
        await fleet.call('GET', '/api/auth/tokens', { token: session })
      ).json()) as { data: { id: string }[] };
      t.equal(tokens.data.length, 2);
      for (const { id } of tokens.data)
        t.equal(
          (await fleet.call('DELETE', `/api/auth/tokens/${id}`, { token: session })).status,
          204,
        );
      const ended = performance.now();
      const streamed = stream.text().then((text) => ({ text, after: performance.now() - ended }));
      const lastLetIn = await Promise.all(
        replicas.flatMap((replica) =>
          [alice, made.token].map(async (token) => {
            for (let last = 0; ;) {
              const asked = performance.now() - ended;
              if ((await visit(replica, token)) === 401) return last;
              last = asked;
              if (asked > 10_000) throw new Error(`${replica.name} still lets it in`);
            }
          }),
        ),
      );
      t.comment(`last let in after ${lastLetIn.map(Math.round).join(', ')} ms`);
      t.ok(lastLetIn.every((ms) => ms < timeBound(1_000)));
      const { text, after } = await streamed;
      t.ok(after < timeBound(1_500), `its stream ended after ${Math.round(after)} ms`);
      t.match(text, /event: end\ndata: {"reason":"token_revoked",.*}\n\n$/);
      for (const at of [one, two])
        t.match(
          await ask(at, { channel: 'user/read', apiToken: alice, payload: { id: aliceId } }),
          { success: false, error: { code: 'unauthenticated' } },
        );
    },
  );

  await t.test('a service account records events that its viewers read', async (t) => {
    const account = (await (
      await fleet.call('POST', '/api/users/service-accounts', {
        token: admin.token,
        json: { name: 'billing', type: 'admin' },
      })
    ).json()) as { id: string };
    const { token } = (await (
      await fleet.call('POST', '/api/auth/tokens', {
        token: admin.token,
        json: {
          name: 'billing',
          user_id: account.id,
          scopes: ['audit:write-events', 'tokens:introspect'],
        },
      })
    ).json()) as { token: string };
    const event = {
      id: 'evt-1',
      tenant_id: 'seed-002',
      action: 'invoice.paid',
      actor: { id: 'cust-7' },
    };
    t.equal((await fleet.call('POST', '/api/audit/events', { token, json: event })).status, 201);
    t.equal(
      (await fleet.call('POST', '/api/audit/events', { token, json: event })).status,
      200,
      'the same event again',
    );
    await isProblem(
      t,
      await fleet.call('GET', '/api/audit/logs', { token }),
      403,
      'insufficient_scope',
      'it may write events and not read the trail',
    );

    const viewer = (
      (await (
        await fleet.call('POST', '/api/audit/viewer-tokens', {
          token,
          json: { tenant_id: 'seed-002' },
        })
      ).json()) as { token: string }
    ).token;
    const seen = await until(
      async () => {
        const logs = (await (
          await fleet.call('GET', '/api/audit/logs', { token: viewer })
        ).json()) as { action: string; tenant_id: string }[];
        return logs.length > 0 && logs;
      },
      { what: 'the viewer sees it', timeoutMs: timeBound(10_000) },
    );
    t.match(seen, [{ action: 'INVOICE_PAID', tenant_id: 'seed-002' }]);
    t.equal(seen.length, 1);

    const introspect = async (about: string) =>
      (
        await fleet.call('POST', '/api/auth/introspect', {
          token,
          body: new URLSearchParams({ token: about }),
        })
      ).json();
    t.match(await introspect(admin.token), { active: true, sub: admin.user.id });
    t.match(await introspect(root), { active: true, sub: admin.user.id, kind: 'api_token' });
    t.strictSame(await introspect(alice), { active: false });
  });

  const trail = await until(
    async () => {
      const found = await fleet.trail(admin.token);
      return (
        found.some(({ action }) => action === 'API_TOKEN_REVOKED') &&
        found.some(({ action }) => action === 'USER_DELETED') &&
        found
      );
    },
    { what: 'the tokens are in the trail', timeoutMs: timeBound(10_000) },
  );
  const used = trail
    .filter(({ metadata }) => typeof metadata['api_token'] === 'string')
    .map(({ action }) => action);
  t.ok(
    ['USER_CREATED', 'USER_UPDATED', 'USER_DELETED'].every((action) => used.includes(action)),
    `by an API token: ${used.join(' ')}`,
  );
  t.notMatch(JSON.stringify(trail), /mun_/, 'and no token stands in it');
});
