import tap, { test } from 'tap';
import { VENDOR_PROFILE_FIELDS } from '@muniment/security';
import { build } from '../build.ts';
import { vendorProfileSchema } from '../../vendor-profiles/profile/vendor-profile-resource.ts';
import { createVendors, TECH, type Profile } from './vendors.ts';

const server = await build(tap);
const { newUser, newPrivileged, newProfile } = createVendors(server);
const URL = '/api/vendor-profiles';

interface Page {
  data: Profile[];
  next_cursor: string | null;
}

const read = (token: string, path: string) => server.call('GET', URL + path, { token });
const page = async (token: string, path: string) => (await read(token, path)).json<Page>();
const ids = async (token: string, path: string) =>
  (await page(token, path)).data.map(({ id }) => id);

/** Follows the cursors to the end. */
async function walk(token: string, path: string, limit: number): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const { data, next_cursor: next } = await page(token, `${path}?limit=${limit}${after}`);
    found.push(...data.map(({ id }) => id));
    cursor = next;
  }
  return found;
}

test('every field is public or restricted, and none is both', (t) => {
  const fields = [...VENDOR_PROFILE_FIELDS.public, ...VENDOR_PROFILE_FIELDS.restricted];
  t.strictSame(fields.toSorted(), Object.keys(vendorProfileSchema.properties).toSorted());
  t.equal(new Set(fields).size, fields.length);
  t.end();
});

test('owners, administrators and auditors see all; others only public fields', async (t) => {
  const [vendor, customer] = [await newUser(), await newUser('customer')];
  const [admin, auditor] = [await newPrivileged('admin'), await newPrivileged('auditor')];
  const { id } = await newProfile(vendor, { ...TECH, whatsapp_number: '+919876543210' });
  const all = Object.keys(vendorProfileSchema.properties).toSorted();
  for (const path of [`/${id}`, `/user/${vendor.user.id}`]) {
    for (const { token } of [vendor, admin, auditor])
      t.strictSame(Object.keys((await read(token, path)).json()).toSorted(), all);
    for (const { token } of [customer, await newUser()]) {
      const shown = await read(token, path);
      t.strictSame(
        Object.keys(shown.json()).toSorted(),
        [...VENDOR_PROFILE_FIELDS.public].toSorted(),
      );
      t.notMatch(shown.body, /John Doe|919876543210/);
    }
  }
  t.equal((await server.call('GET', `${URL}/${id}`)).statusCode, 401);
});

test("an administrator's API token without the directory sees what is public", async (t) => {
  const [vendor, admin] = [await newUser(), await newPrivileged('admin')];
  const { id } = await newProfile(vendor, TECH);
  const made = await server.call('POST', '/api/auth/tokens', {
    token: admin.token,
    body: { name: 'catalogue', scopes: ['vendor-profiles:read'] },
  });
  const { token } = made.json<{ token: string }>();
  t.notMatch((await read(token, `/${id}`)).json(), { contact_person: TECH.contact_person });
  t.equal((await server.call('DELETE', `${URL}/${id}`, { token })).statusCode, 403);
});

test('profiles of vendors who are not active are absent for all but the directory', async (t) => {
  const [vendor, customer, admin] = [
    await newUser(),
    await newUser('customer'),
    await newPrivileged('admin'),
  ];
  const { id } = await newProfile(vendor, { business_name: 'Hidden Ltd', country: 'TV' });
  const paths = [
    ['', '/by-country/TV', '/by-business-type/technology', '/search?q=hidden'],
    [`/${id}`, `/user/${vendor.user.id}`],
  ] as const;
  const isSeen = async (token: string) => {
    const listed = await Promise.all(paths[0].map((path) => ids(token, path)));
    const found = await Promise.all(paths[1].map((path) => read(token, path)));
    return [
      ...listed.map((one) => one.includes(id)),
      ...found.map(({ statusCode }) => statusCode === 200),
    ];
  };
  const everywhere = Array<boolean>(6).fill(true);
  const nowhere = Array<boolean>(6).fill(false);
  t.strictSame(await isSeen(customer.token), everywhere);
  for (const status of ['suspended', 'inactive', 'pending']) {
    await server.rows('update identity.users set status = $2 where id = $1', [
      vendor.user.id,
      status,
    ]);
    t.strictSame(await isSeen(customer.token), nowhere, status);
    t.notOk((await isSeen(admin.token)).includes(false), status);
    const other = await newUser();
    const changed = await server.call('PATCH', `${URL}/${id}`, {
      token: other.token,
      body: { city: 'X' },
    });
    t.equal(changed.statusCode, 404, 'a change does not tell that it exists');
  }
  await server.rows(`update identity.users set status = 'active' where id = $1`, [vendor.user.id]);
  t.notOk((await isSeen(customer.token)).includes(false));
  await server.rows(`update identity.users set type = 'customer' where id = $1`, [vendor.user.id]);
  t.notOk((await isSeen(customer.token)).includes(true));
});

test('a list is read page by page, newest first, without gaps or repetitions', async (t) => {
  const { token } = await newUser('customer');
  const made: string[] = [];
  for (let n = 0; n < 5; n += 1)
    made.unshift((await newProfile(await newUser(), { business_type: 'Bakery' })).id);
  for (const limit of [1, 2, 5])
    t.strictSame((await walk(token, '/by-business-type/bakery', limit)).slice(0, 5), made);
  t.strictSame((await walk(token, '', 3)).slice(0, 5), made);
  const last = await page(token, '/by-business-type/bakery?limit=5');
  t.equal(last.next_cursor, null);
});

test('a country is found by its code, its ISO name and its English name', async (t) => {
  const { token } = await newUser('customer');
  const made: string[] = [];
  for (const country of ['KR', 'kor', 'Korea (the Republic of)', 'South Korea'])
    made.unshift((await newProfile(await newUser(), { country })).id);
  for (const name of ['kr', 'KOR', 'South Korea', 'Republic of Korea'])
    t.strictSame(await ids(token, `/by-country/${encodeURIComponent(name)}`), made, name);
  const unknown = await read(token, '/by-country/Atlantis');
  t.match([unknown.statusCode, unknown.json().errors], [400, [{ pointer: '/params/country' }]]);
});

test('a business type is found whatever its case, accents and spaces', async (t) => {
  const { token } = await newUser('customer');
  const { id } = await newProfile(await newUser(), { business_type: 'Café & Bar' });
  const signs = await newProfile(await newUser(), { business_type: '☕☕' });
  for (const type of ['cafe bar', 'CAFÉ BAR', 'Café & Bar', ' café-bar '])
    t.strictSame(await ids(token, `/by-business-type/${encodeURIComponent(type)}`), [id], type);
  t.strictSame(await ids(token, `/by-business-type/${encodeURIComponent('☕☕')}`), [signs.id]);
  t.strictSame(await ids(token, '/by-business-type/cafe'), []);
});

test('bad paths, cursors and limits are problems', async (t) => {
  const { token } = await newUser('customer');
  for (const [path, status] of [
    ['/1', 400],
    ['/user/1', 400],
    ['/01890000-0000-7000-8000-000000000000', 404],
    ['/user/01890000-0000-7000-8000-000000000000', 404],
    ['?limit=0', 400],
    ['?limit=201', 400],
    ['?cursor=x', 400],
    ['/by-country/IN?cursor=AAAA', 400],
    ['?unknown=1', 400],
  ] as const)
    t.equal((await read(token, path)).statusCode, status, path);
});

test('a profile that its reader has is 304', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor);
  const { headers } = await read(vendor.token, `/${id}`);
  const again = await server.call('GET', `${URL}/${id}`, {
    token: vendor.token,
    headers: { 'if-none-match': String(headers.etag) },
  });
  t.equal(again.statusCode, 304);
});
