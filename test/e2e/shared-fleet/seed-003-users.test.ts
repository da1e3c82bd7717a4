import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { PASSWORD, shareFleet, type Fleet } from '../fleet.ts';
import { isProblem } from '../problems.ts';
import { openDatabase } from '../stores.ts';

interface User {
  id: string;
  email: string;
  [name: string]: unknown;
}
interface Page {
  data: User[];
  next_cursor: string | null;
}

const EMAIL = 'seed-003-vendor@example.com';
/** The document's model of a user. */
const MODEL = [
  'id',
  'type',
  'aws_cognito_id',
  'first_name',
  'last_name',
  'email',
  'phone',
  'post_code',
  'country',
  'city',
  'is_verified',
  'verified_at',
  'is_profile_updated',
  'is_profile_reverified',
  'profile_reverified_at',
  'status',
  'created_by',
  'updated_by',
  'created_at',
  'updated_at',
];

/** The body of the document's sign-up, which is also a user. */
const JOHN = { firstName: 'John', lastName: 'Doe', email: EMAIL, phone: '+1234567890' };

async function signUpAdministrator(t: Test, fleet: Fleet): Promise<string> {
  const { user } = await fleet.signUp();
  const rows = await openDatabase(t, fleet);
  await rows("update identity.users set type = 'admin' where id = $1", [user.id]);
  const json = { email: user.email, password: PASSWORD };
  const answer = await fleet.call('POST', '/api/users/login', { json });
  return ((await answer.json()) as { token: string }).token;
}

test("seed 003's nine routes of users work on the document's own paths", async (t) => {
  const fleet = await shareFleet();
  const token = await signUpAdministrator(t, fleet);
  const call = (method: string, path: string, json?: object) =>
    fleet.call(method, path, { token, ...(json && { json }) });
  const read = async <T>(path: string): Promise<T> => {
    const answer = await call('GET', path);
    t.equal(answer.status, 200, path);
    return (await answer.json()) as T;
  };

  const created = await call('POST', '/users', { ...JOHN, type: 'vendor' });
  t.equal(created.status, 201);
  const user = (await created.json()) as User;
  t.match(user, {
    type: 'vendor',
    first_name: 'John',
    last_name: 'Doe',
    email: EMAIL,
    phone: '+1234567890',
    phone_valid: false,
    status: 'active',
    is_verified: false,
    created_at: /Z$/,
    updated_at: /Z$/,
  });
  const { id } = user;
  t.equal(created.headers.get('location'), `/api/users/${id}`);

  const has = ({ data }: Page): boolean => data.some((one) => one.id === id);
  t.ok(has(await read<Page>('/users')), 'GET /users');
  const shown = await read<User>(`/users/${id}`);
  t.match(shown, { id, email: EMAIL });
  for (const field of MODEL) t.ok(field in shown, `the model's ${field}`);
  t.ok(has(await read<Page>('/users/search?q=seed-003')), 'GET /users/search');
  t.ok(has(await read<Page>('/users/search?q=Jhon%20Doe')), 'a typing error');
  t.ok(has(await read<Page>('/users/vendors')), 'GET /users/vendors');
  t.ok(has(await read<Page>('/users/by-type/vendor')), 'GET /users/by-type/:type');
  t.notOk(has(await read<Page>('/users/by-type/customer')), 'of another type');

  const updated = await call('PATCH', `/users/${id}`, {
    city: 'New York',
    country: 'United States',
  });
  t.match(await updated.json(), { id, city: 'New York', country: 'United States' });
  const suspended = await call('PATCH', `/users/${id}/status`, {
    status: 'suspended',
    reason: 'x',
  });
  t.match(await suspended.json(), { id, status: 'suspended' });
  const deleted = await call('DELETE', `/users/${id}`);
  t.equal(deleted.status, 204);
  await isProblem(t, await call('GET', `/users/${id}`), 404, 'user_not_found', 'afterwards');

  const events = [created, updated, suspended, deleted].map((answer) =>
    answer.headers.get('audit-event'),
  );
  for (const event of events)
    await until(async () => (await call('GET', `/api/audit/logs/${event}`)).status === 200, {
      what: `the event ${event} is in the trail`,
    });
});

test("seed 003's lists of users go by pages on the document's own paths", async (t) => {
  const fleet = await shareFleet();
  const token = await signUpAdministrator(t, fleet);
  const ids: string[] = [];
  for (const name of ['One', 'Two', 'Three']) {
    const json = {
      type: 'vendor',
      firstName: name,
      email: `seed003pages-${name}@seed-003.example`,
    };
    const made = await fleet.call('POST', '/users', { token, json: { ...json, invite: false } });
    ids.push(((await made.json()) as User).id);
  }
  for (const prefix of ['', '/api'])
    for (const path of ['/users', '/users/vendors', '/users/by-type/vendor', '/users/search']) {
      const query = path.endsWith('search') ? 'q=seed003pages' : `ids=${ids.join(',')}`;
      const found: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const next: string = cursor && `&cursor=${cursor}`;
        const url = `${prefix}${path}?${query}&limit=2${next}`;
        const page = (await (await fleet.call('GET', url, { token })).json()) as Page;
        found.push(...page.data.map(({ id }) => id));
        cursor = page.next_cursor;
      }
      t.strictSame(found.toSorted(), ids.toSorted(), prefix + path);
    }
});

test("what seed 003's routes refuse on the document's own paths", async (t) => {
  const fleet = await shareFleet();
  const token = await signUpAdministrator(t, fleet);
  for (const [method, path, json, pointer] of [
    ['GET', '/users?page=1', undefined, '/querystring/page'],
    ['GET', '/users/1', undefined, '/params/id'],
    ['GET', '/users/search', undefined, '/querystring/q'],
    ['GET', '/users/by-type/robot', undefined, '/params/type'],
    ['POST', '/users', { ...JOHN, email: 'no address' }, '/email'],
    ['PATCH', '/users/1', { city: 'Boston' }, '/params/id'],
    ['PATCH', '/users/1/status', { status: 'active' }, '/params/id'],
    ['DELETE', '/users/1', undefined, '/params/id'],
  ] as const) {
    const answer = await fleet.call(method, path, { token, ...(json && { json }) });
    t.equal(answer.status, 400, method + path);
    t.match(await answer.json(), { code: 'validation_failed', errors: [{ pointer }] });
  }
});

test('nobody but administrators and auditors reaches the directory', async (t) => {
  const fleet = await shareFleet();
  const { token } = await fleet.signUp();
  for (const path of ['/users', '/users/vendors', '/users/search?q=a']) {
    await isProblem(t, await fleet.call('GET', path), 401, 'unauthenticated', path);
    const asCustomer = await fleet.call('GET', path, { token });
    await isProblem(t, asCustomer, 403, 'permission_denied', path);
  }
});
