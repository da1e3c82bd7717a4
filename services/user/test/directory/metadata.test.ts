import { test, type Test } from 'tap';
import { openPersonal } from '@muniment/audit-events';
import { until } from '@muniment/testing';
import { createUserErasure } from '../../users/erase-user.ts';
import { build, PASSWORD, type SignedIn, type TestServer } from '../build.ts';
import { registerAs } from './administrator.ts';

interface Directory extends TestServer {
  root: SignedIn;
  ada: SignedIn;
  /** The owner's way and the administrator's. */
  own(body: object, headers?: Record<string, string>): ReturnType<TestServer['call']>;
  patch(body: object, headers?: Record<string, string>): ReturnType<TestServer['call']>;
  /** The ids that a query of the list finds. */
  find(query: Record<string, string>): Promise<string[]>;
}

async function buildDirectory(t: Test, settings: Record<string, string> = {}): Promise<Directory> {
  const server = await build(t, settings);
  const root = await registerAs(server);
  const ada = await server.register('ada@example.com');
  const url = `/api/users/${ada.user.id}`;
  return {
    ...server,
    root,
    ada,
    own: (body, headers = {}) =>
      server.call('PATCH', '/api/users/me', { token: ada.token, body, headers }),
    patch: (body, headers = {}) => server.call('PATCH', url, { token: root.token, body, headers }),
    async find(query) {
      const search = new URLSearchParams(query).toString();
      const answer = await server.call('GET', `/api/users?${search}`, { token: root.token });
      return answer.json<{ data: { id: string }[] }>().data.map(({ id }) => id);
    },
  };
}

const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >;

test('owners merge user_metadata, administrators app_metadata, neither the other', async (t) => {
  const { own, patch, call, ada, root } = await buildDirectory(t);
  await own({ user_metadata: { theme: 'dark', shown: { a: 1, b: [null, true] } } });
  const merged = await own({ user_metadata: { theme: null, shown: { a: null, c: 'x' } } });
  t.strictSame(merged.json().user_metadata, { shown: { b: [null, true], c: 'x' } });
  const changed = await patch({ appMetadata: { plan: 'pro' } });
  t.match(changed.json(), {
    app_metadata: { plan: 'pro' },
    user_metadata: merged.json().user_metadata,
  });
  t.match((await own({ app_metadata: { plan: 'x' } })).json(), {
    errors: [{ pointer: '/app_metadata' }],
  });
  t.match((await patch({ user_metadata: {} })).json(), { errors: [{ pointer: '/user_metadata' }] });
  const shown = await call('GET', '/api/users/me', { token: ada.token });
  t.notOk('app_metadata' in shown.json(), 'it may say what its owner must not know');
  t.strictSame((await patch({ app_metadata: null })).json().app_metadata, {});
  const listed = await call('GET', '/api/users', { token: root.token });
  t.notOk('app_metadata' in listed.json().data[0], 'a list has them only by include');
});

test('changes of one metadata at once are all kept', async (t) => {
  const { own, patch, call, ada, root } = await buildDirectory(t);
  const names = ['a', 'b', 'c', 'd', 'e'];
  await Promise.all(
    names.flatMap((name) => [
      own({ user_metadata: { [name]: 1 } }),
      patch({ app_metadata: { [name]: 1 } }),
    ]),
  );
  const all = Object.fromEntries(names.map((name) => [name, 1]));
  const shown = await call('GET', `/api/users/${ada.user.id}`, { token: root.token });
  t.match(shown.json(), { user_metadata: all, app_metadata: all });
});

test('If-Match covers metadata on both ways', async (t) => {
  const { own, patch, call, ada, root } = await buildDirectory(t);
  const tagOf = async (url: string, token: string) => ({
    'if-match': String((await call('GET', url, { token })).headers.etag),
  });
  const mine = await tagOf('/api/users/me', ada.token);
  t.equal((await own({ user_metadata: { n: 1 } }, mine)).statusCode, 200);
  t.equal((await own({ user_metadata: { n: 2 } }, mine)).statusCode, 412);
  const theirs = await tagOf(`/api/users/${ada.user.id}`, root.token);
  t.equal((await patch({ app_metadata: { n: 1 } }, theirs)).statusCode, 200);
  t.equal((await patch({ app_metadata: { n: 2 } }, theirs)).statusCode, 412);
});

const nested = (levels: number): object => (levels === 1 ? { a: 1 } : { a: nested(levels - 1) });
const members = (count: number, value: unknown) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value]));

test('metadata past a bound are refused by pointer, and nothing is stored', async (t) => {
  const { own, patch, rows } = await buildDirectory(t);
  for (const [metadata, below] of [
    ['x', ''],
    [[], ''],
    [{ big: 'é'.repeat(4_100) }, ''],
    [nested(6), '/a/a/a/a/a'],
    [nested(500), '/a/a/a/a/a'],
    [members(101, 1), ''],
    [{ list: members(0, 0), items: Array.from({ length: 100 }, () => 1) }, ''],
    [{ a: { ['~/'.repeat(33)]: 1 } }, `/a/${'~0~1'.repeat(33)}`],
    [{ n: 1e300 }, '/n'],
    [{ list: [1, 5e-7] }, '/list/1'],
  ] as const)
    for (const [way, name] of [
      [own, 'user_metadata'],
      [patch, 'appMetadata'],
    ] as const) {
      const answer = await way({ [name]: metadata });
      t.equal(answer.statusCode, 400, answer.body.slice(0, 300));
      t.match(answer.json(), { errors: [{ pointer: `/${name}${below}` }] });
    }
  t.equal((await own({ user_metadata: members(100, 1) })).statusCode, 200, 'the most');
  t.equal((await own({ user_metadata: { k100: 1 } })).statusCode, 400, 'bounds hold the result');
  t.equal((await own({ user_metadata: null })).statusCode, 200);
  t.equal((await own({ user_metadata: { big: 'x'.repeat(8_182) } })).statusCode, 200, '8 KiB');
  t.equal((await own({ user_metadata: nested(5) })).statusCode, 400, 'a byte more');
  t.strictSame(
    await rows(`select from identity.users where app_metadata <> '{}'`),
    [],
    'no part of a refused change',
  );
});

test('an event names changed members while the user exists, values never', async (t) => {
  const { own, patch, events, context, ada } = await buildDirectory(t);
  await own({ user_metadata: { 'allergic-to-nuts': 'very', same: 1 } });
  await own({ user_metadata: { 'allergic-to-nuts': 'a bit', same: 1 } });
  await patch({ app_metadata: { 'credit-score': 'poor' } });
  const [first, second, third] = (await events()).slice(-3);
  t.match(first, { action: 'USER_UPDATED', metadata: { fields: ['user_metadata'] } });
  t.match(third, { action: 'USER_UPDATED', metadata: { fields: ['app_metadata'] } });
  t.match(third?.personal, { subject: ada.user.id });
  t.notMatch(JSON.stringify([first, second, third]), /nuts|very|a bit|score|poor/);
  const { data, crypto } = context;
  const key = await crypto.subjectKeys.forSubject(data.db, { userId: ada.user.id });
  const opened = [first, second, third].map((event) =>
    event?.personal && key ? openPersonal(event.id, event.personal, key) : undefined,
  );
  t.match(opened, [
    { user_metadata_keys: ['allergic-to-nuts', 'same'] },
    { user_metadata_keys: ['allergic-to-nuts'] },
    { app_metadata_keys: ['credit-score'] },
  ]);
  t.notMatch(JSON.stringify(opened), /very|a bit|poor/);
});

test('a path with its value finds users, by kind, type and item', async (t) => {
  const { own, patch, find, ada } = await buildDirectory(t);
  await own({ user_metadata: { plan: 'mine' } });
  await patch({ app_metadata: { plan: 'pro', seats: 5, trial: false, tags: ['a', { b: 'c' }] } });
  await patch({ app_metadata: { deep: { er: { still: 'x' } } } });
  for (const filter of [
    { app_metadata: '{"plan":"pro"}' },
    { app_metadata: '{"seats":5.0}' },
    { app_metadata: '{ "trial" : false }' },
    { app_metadata: '{"tags":"a"}' },
    { app_metadata: '{"tags":{"b":"c"}}' },
    { app_metadata: '{"deep":{"er":{"still":"x"}}}' },
    { user_metadata: '{"plan":"mine"}', app_metadata: '{"plan":"pro"}', order: 'email' },
  ])
    t.strictSame(await find(filter), [ada.user.id], JSON.stringify(filter));
  for (const filter of [
    { app_metadata: '{"plan":"mine"}' },
    { app_metadata: '{"seats":"5"}' },
    { app_metadata: '{"deep":"x"}' },
    { user_metadata: '{"plan":"mine"}', app_metadata: '{"plan":"free"}' },
  ])
    t.strictSame(await find(filter), [], JSON.stringify(filter));
  await patch({ app_metadata: { plan: 'free' } });
  t.strictSame(await find({ app_metadata: '{"plan":"pro"}' }), [], 'a former value');
});

test('a filter that is no path to one value is refused', async (t) => {
  const { call, root } = await buildDirectory(t);
  for (const filter of ['x', '{}', '[]', '{"a":null}', '{"a":{}}', '{"a":[1]}', '{"a":1,"b":2}'])
    for (const name of ['user_metadata', 'app_metadata']) {
      const url = `/api/users?${name}=${encodeURIComponent(filter)}`;
      t.match(
        (await call('GET', url, { token: root.token })).json(),
        { status: 400, errors: [{ pointer: `/querystring/${name}` }] },
        filter,
      );
    }
});

test('pages of a filter by metadata go by creation, neither skipping nor doubling', async (t) => {
  const { call, root, rows } = await buildDirectory(t);
  await rows(`
    insert into identity.users (id, email, email_key, created, app_metadata)
    select gen_random_uuid(), 'p' || n, 'p' || n, now() - (n / 2) * interval '1 day',
      jsonb_build_object('plan', case when n % 3 = 0 then 'free' else 'pro' end)
    from generate_series(1, 12) n`);
  for (const order of ['created', '-created', '-email', 'last_active']) {
    const url = `/api/users?order=${order}&app_metadata={"plan":"pro"}`;
    const read = async (query: string) =>
      (await call('GET', url + query, { token: root.token })).json<{
        data: { id: string }[];
        next_cursor: string | null;
        count: unknown;
      }>();
    const whole = await read('&count=true');
    t.strictSame(whole.count, { count: 8, relation: 'exact' });
    const paged: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page = await read(`&limit=3${cursor && `&cursor=${cursor}`}`);
      paged.push(...page.data.map(({ id }) => id));
      cursor = page.next_cursor;
    }
    t.strictSame(
      paged,
      whole.data.map(({ id }) => id),
      order,
    );
  }
});

test('named members enter tokens; a change of them ends earlier tokens everywhere', async (t) => {
  const server = await buildDirectory(t, { TOKEN_APP_METADATA_KEYS: 'plan,tenant' });
  const { patch, call, ada, replica } = server;
  const other = await replica();
  const read = (token: string, on: TestServer = other) =>
    on.call('GET', '/api/users/me', { token });
  t.notOk('app_metadata' in claimsOf(ada.token));
  t.equal((await read(ada.token)).statusCode, 200);
  await patch({ app_metadata: { plan: 'pro', note: 'not for tokens' } });
  for (const on of [server, other])
    await until(async () => (await read(ada.token, on)).statusCode === 401, {
      what: 'the token without the claim has ended',
    });
  const refresh = async (token: string) =>
    (await call('POST', '/api/auth/refresh', { body: { refresh_token: token } })).json<SignedIn>();
  const second = await refresh(ada.refresh_token);
  t.strictSame(claimsOf(second.token)['app_metadata'], { plan: 'pro' });
  t.equal((await read(second.token)).statusCode, 200, 'the session goes on');
  await patch({ app_metadata: { note: 'changed' } });
  t.equal((await read(second.token, server)).statusCode, 200, 'no named member changed');
  await patch({ app_metadata: { plan: null } });
  t.equal((await read(second.token, server)).statusCode, 401, 'at once where it was changed');
  const third = await refresh(second.refresh_token);
  t.notOk('app_metadata' in claimsOf(third.token));
  await patch({ app_metadata: { tenant: { id: 7 } } });
  const login = await call('POST', '/api/users/login', {
    body: { email: 'ada@example.com', password: PASSWORD },
  });
  t.strictSame(claimsOf(login.json<SignedIn>().token)['app_metadata'], { tenant: { id: 7 } });
});

test('an operator who changes a named member by SQL ends tokens too', async (t) => {
  const { rows, call, ada, context } = await buildDirectory(t, { TOKEN_APP_METADATA_KEYS: 'plan' });
  await rows(`update identity.users set app_metadata = '{"plan":"pro"}' where id = $1`, [
    ada.user.id,
  ]);
  await until(() => context.auth.revocations.userChangedAt(ada.user.id) !== undefined);
  t.equal((await call('GET', '/api/users/me', { token: ada.token })).statusCode, 401);
});

test('what tokens hold is at most 512 bytes', async (t) => {
  const { patch, rows, call, ada, root } = await buildDirectory(t, {
    TOKEN_APP_METADATA_KEYS: 'plan',
  });
  const fits = 'x'.repeat(512 - '{"plan": ""}'.length);
  t.equal((await patch({ app_metadata: { plan: fits } })).statusCode, 200);
  const refused = await patch({ appMetadata: { plan: `${fits}x` } });
  t.match(refused.json(), { status: 400, errors: [{ pointer: '/appMetadata' }] });
  const body = { email: 'x@example.org', app_metadata: { plan: `${fits}x` } };
  const made = await call('POST', '/api/users', { token: root.token, body });
  t.match(made.json(), { status: 400, errors: [{ pointer: '/app_metadata' }] });
  // A key that the setting names later may hold more already: then the claim is left out.
  await rows('update identity.users set app_metadata = $2 where id = $1', [
    ada.user.id,
    JSON.stringify({ plan: `${fits}x` }),
  ]);
  const login = await call('POST', '/api/users/login', {
    body: { email: 'ada@example.com', password: PASSWORD },
  });
  const { token } = login.json<SignedIn>();
  t.notOk('app_metadata' in claimsOf(token));
  t.equal((await call('GET', '/api/users/me', { token })).statusCode, 200);
});

test('metadata are erased with their user', async (t) => {
  const { own, patch, rows, context, ada } = await buildDirectory(t);
  await own({ user_metadata: { a: 'x' } });
  await patch({ app_metadata: { b: 'y' } });
  t.equal((await rows('select from identity.user_metadata_terms')).length, 2);
  await createUserErasure(context.data.db, context.crypto.subjectKeys).erase(ada.user.id);
  t.strictSame(await rows('select from identity.user_metadata_terms'), []);
});
