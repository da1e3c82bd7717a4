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
  t.match(await read<User>(`/users/${id}`), { id, email: EMAIL });
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

test('nobody but administrators and auditors reaches the directory', async (t) => {
  const fleet = await shareFleet();
  const { token } = await fleet.signUp();
  for (const path of ['/users', '/users/vendors', '/users/search?q=a']) {
    await isProblem(t, await fleet.call('GET', path), 401, 'unauthenticated', path);
    const asCustomer = await fleet.call('GET', path, { token });
    await isProblem(t, asCustomer, 403, 'permission_denied', path);
  }
});
