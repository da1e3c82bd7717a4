import { test } from 'tap';
import { build } from '../build.ts';
import { insertPeople, registerAs } from './administrator.ts';

interface Page {
  data: { id: string; email: string; type: string; last_active_on: string | null }[];
  next_cursor: string | null;
  count?: { count: number; relation: string };
}

const PEOPLE = [
  {
    type: 'vendor',
    country: 'Germany',
    country_code: 'DE',
    last_active_on: '2026-03-01',
    external_id: 'x-1',
  },
  { type: 'customer', country: 'DE', country_code: 'DE', last_active_on: '2026-03-01' },
  { type: 'vendor', country: 'FR', country_code: 'FR', status: 'suspended' },
  { type: 'customer', phone: '+4930901820', phone_valid: true },
  { type: 'vendor', last_active_on: '2026-05-01', created: '2026-01-01T00:00:02.000001Z' },
];

test('the list goes by pages, neither skipping nor doubling, in each order', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  await insertPeople(server, PEOPLE);
  const { call } = server;
  for (const order of ['created', '-created', 'email', '-email', 'last_active', '-last_active']) {
    const read = async (query: string): Promise<Page> =>
      (await call('GET', `/api/users?order=${order}${query}`, { token })).json<Page>();
    const whole = (await read('')).data.map(({ id }) => id);
    t.equal(whole.length, 6, order);
    const paged: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: Page = await read(`&limit=1${cursor && `&cursor=${cursor}`}`);
      paged.push(...page.data.map(({ id }) => id));
      cursor = page.next_cursor;
    }
    t.strictSame(paged, whole, order);
  }
});

test('the newest is first, and times of one moment go by id', async (t) => {
  const server = await build(t);
  const { token, user } = await registerAs(server);
  const ids = await insertPeople(server, PEOPLE);
  const { data } = (await server.call('GET', '/api/users', { token })).json<Page>();
  const [one, two, three, four, five] = ids;
  t.strictSame(
    data.map(({ id }) => id),
    [user.id, four, five, three, two, one],
  );
});

test('filters narrow the list and its count alike', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  const ids = await insertPeople(server, PEOPLE);
  for (const [query, found] of [
    ['type=vendor', [5, 3, 1]],
    ['type=vendor&status=active', [5, 1]],
    ['country=DE', [2, 1]],
    ['country=Germany', [2, 1]],
    ['country=deu', [2, 1]],
    ['last_active_from=2026-03-01&last_active_to=2026-04-01', [2, 1]],
    ['last_active_to=2026-03-01&type=vendor', [3]],
    ['created_from=2026-01-01T00:00:01Z&created_to=2026-01-01T00:00:03Z', [5, 3, 2]],
    [`ids=${ids[0]},${ids[3]?.toUpperCase()}`, [4, 1]],
    ['email=PERSON-2@example.ORG', [2]],
    ['phone=%2B49%2030%20901820', [4]],
    ['external_id=x-1', [1]],
    ['external_id=x-2', []],
  ] as const) {
    const answer = await server.call('GET', `/api/users?${query}&count=true`, { token });
    const { data, count } = answer.json<Page>();
    const numbers = data.map(({ id }) => ids.indexOf(id) + 1);
    t.strictSame(new Set(numbers), new Set<number>(found), query);
    t.strictSame(count, { count: found.length, relation: 'exact' }, query);
  }
});

test('lists by type have their own paths, in the same shape', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  await insertPeople(server, PEOPLE);
  for (const [url, found] of [
    ['/api/users/vendors', 3],
    ['/api/users/by-type/customer', 2],
    ['/api/users/by-type/admin', 1],
    ['/api/users/vendors?status=suspended', 1],
  ] as const) {
    const answer = await server.call('GET', url, { token });
    t.equal(answer.statusCode, 200, url);
    t.equal(answer.json<Page>().data.length, found, url);
  }
});

test('service accounts are no people', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  const made = await server.call('POST', '/api/users/service-accounts', {
    token,
    body: { name: 'robot', type: 'customer' },
  });
  const { id } = made.json<{ id: string }>();
  t.equal((await server.call('GET', '/api/users', { token })).json<Page>().data.length, 1);
  t.equal((await server.call('GET', `/api/users/${id}`, { token })).statusCode, 404);
  t.equal((await server.call('DELETE', `/api/users/${id}`, { token })).statusCode, 404);
});

test('a page includes profiles and metadata that are asked for, and nothing else', async (t) => {
  const server = await build(t);
  const { call, rows } = server;
  const { token } = await registerAs(server);
  const [vendor, other] = await insertPeople(server, [{ type: 'vendor' }, { type: 'vendor' }]);
  await rows(`update identity.users set app_metadata = '{"a":1}' where id = $1`, [vendor]);
  const profile = {
    user_id: vendor,
    business_type: 'Tech',
    business_name: 'Acme',
    address: 'Here',
  };
  const made = await call('POST', '/api/vendor-profiles', { token, body: profile });
  const vendor_profile = made.json();
  const read = async (query: string) =>
    (await call('GET', `/api/users/vendors${query}`, { token })).json<Page>().data;
  const plain = await read('');
  t.notOk(plain.some((user) => 'vendor_profile' in user || 'app_metadata' in user));
  t.match(await read('?include=vendor_profile,metadata'), [
    { id: other, vendor_profile: null, app_metadata: {}, user_metadata: {} },
    { id: vendor, vendor_profile, app_metadata: { a: 1 } },
  ]);
  const url = `/api/users/${vendor}`;
  const one = await call('GET', `${url}?include=vendor_profile`, { token });
  t.strictSame(one.json().vendor_profile, vendor_profile);
  t.notOk(one.headers.etag, 'each resource has its own');
  t.ok((await call('GET', `${url}?include=metadata`, { token })).headers.etag);
  for (const path of ['/api/users', '/api/users/by-type/vendor', url])
    for (const include of ['sessions', 'vendor_profile,', 'VENDOR_PROFILE', 'constructor'])
      t.match(
        (await call('GET', `${path}?include=${include}`, { token })).json(),
        { status: 400, errors: [{ pointer: '/querystring/include' }] },
        include,
      );
});

test('a token includes no profiles without their scope; an auditor sees them whole', async (t) => {
  const server = await build(t);
  const { call, events } = server;
  const root = await registerAs(server);
  const auditor = await registerAs(server, 'auditor');
  const [vendor] = await insertPeople(server, [{ type: 'vendor' }]);
  const url = `/api/users/${vendor}?include=vendor_profile`;
  const body = { user_id: vendor, business_type: 'Tech', business_name: 'A', address: 'Here' };
  await call('POST', '/api/vendor-profiles', { token: root.token, body });
  const shown = await call('GET', url, { token: auditor.token });
  t.match(shown.json(), { vendor_profile: { address: 'Here' } });
  for (const [scopes, status] of [
    [['directory:read'], 403],
    [['directory:read', 'vendor-profiles:read'], 200],
  ] as const) {
    const made = await call('POST', '/api/auth/tokens', {
      token: root.token,
      body: { name: 'reader', scopes },
    });
    const { token } = made.json<{ token: string }>();
    t.equal((await call('GET', url, { token })).statusCode, status);
    t.equal((await call('GET', `/api/users/${vendor}`, { token })).statusCode, 200);
  }
  t.match(
    (await events()).findLast(({ action }) => action === 'ACCESS_DENIED'),
    { metadata: { permission: 'vendor-profiles:read', reason: 'scope' } },
  );
});

test('a cursor of another filter, order or list, or an edited one, is refused', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  await insertPeople(server, PEOPLE);
  const first = await server.call('GET', '/api/users?limit=1', { token });
  const cursor = first.json<Page>().next_cursor ?? '';
  const edited = `${cursor.slice(0, -2)}${cursor.endsWith('AA') ? 'BB' : 'AA'}`;
  for (const url of [
    `/api/users?order=created&cursor=${cursor}`,
    `/api/users?type=vendor&cursor=${cursor}`,
    `/api/users/vendors?cursor=${cursor}`,
    `/api/users/search?q=a&cursor=${cursor}`,
    `/api/users?cursor=${edited}`,
    '/api/users?cursor=x',
  ]) {
    const answer = await server.call('GET', url, { token });
    t.strictSame([answer.statusCode, answer.json().code], [400, 'cursor_invalid'], url);
  }
});

test('each malformed part of a query is named', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  for (const [query, pointer] of [
    ['order=name', '/querystring/order'],
    ['type=root', '/querystring/type'],
    ['status=gone', '/querystring/status'],
    ['limit=0', '/querystring/limit'],
    ['limit=201', '/querystring/limit'],
    ['count=yes', '/querystring/count'],
    ['created_from=yesterday', '/querystring/created_from'],
    ['last_active_from=2026-02-30', '/querystring/last_active_from'],
    [
      'created_from=2026-02-01T00:00:00Z&created_to=2026-01-01T00:00:00Z',
      '/querystring/created_from',
    ],
    ['ids=1,2', '/querystring/ids'],
    [`ids=${'-'.repeat(36)}`, '/querystring/ids'],
    ['email=nobody', '/querystring/email'],
    ['country=Atlantis', '/querystring/country'],
    ['phone=call-me', '/querystring/phone'],
    ['page=2', '/querystring/page'],
  ] as const) {
    const answer = await server.call('GET', `/api/users?${query}`, { token });
    t.equal(answer.statusCode, 400, query);
    t.match(answer.json(), { code: 'validation_failed', errors: [{ pointer }] }, query);
  }
});

test('auditors read the directory and change nothing; customers reach none of it', async (t) => {
  const server = await build(t);
  const { call } = server;
  await registerAs(server);
  const auditor = await registerAs(server, 'auditor');
  const customer = await server.register('customer@example.com');
  for (const url of ['/api/users', '/api/users/search?q=a', `/api/users/${customer.user.id}`]) {
    t.equal((await call('GET', url, { token: auditor.token })).statusCode, 200, url);
    t.equal((await call('GET', url, { token: customer.token })).statusCode, 403, url);
  }
  const url = `/api/users/${customer.user.id}`;
  for (const [method, path, body] of [
    ['POST', '/api/users', { email: 'x@example.org' }],
    ['PATCH', url, { name: 'x' }],
    ['PATCH', `${url}/status`, { status: 'suspended' }],
    ['DELETE', url, undefined],
  ] as const) {
    const answer = await call(method, path, { token: auditor.token, ...(body && { body }) });
    t.equal(answer.statusCode, 403, method + path);
  }
  t.equal((await call('GET', '/api/users')).statusCode, 401);
});
