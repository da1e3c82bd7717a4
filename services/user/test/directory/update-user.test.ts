import { test, type Test } from 'tap';
import { build, type SignedIn, type TestServer } from '../build.ts';
import { registerAs } from './administrator.ts';

interface Directory extends TestServer {
  root: SignedIn;
  ada: SignedIn;
  patch(
    body: object,
    headers?: Record<string, string>,
    path?: string,
  ): ReturnType<TestServer['call']>;
}

async function buildDirectory(t: Test, settings: Record<string, string> = {}): Promise<Directory> {
  const server = await build(t, settings);
  const root = await registerAs(server);
  const ada = await server.register('ada@example.com');
  return {
    ...server,
    root,
    ada,
    patch: (body, headers = {}, path = '') =>
      server.call('PATCH', `/api/users/${ada.user.id}${path}`, {
        token: root.token,
        body,
        headers,
      }),
  };
}

test('a merge patch sets what it names, clears what is null and leaves the rest', async (t) => {
  const { patch, root, events } = await buildDirectory(t);
  await patch({ firstName: 'Ada', city: 'London', phone: '+49 30 901820' });
  const headers = { 'content-type': 'application/merge-patch+json' };
  const answer = await patch({ city: null, last_name: 'Byron' }, headers);
  t.equal(answer.statusCode, 200, answer.body);
  t.match(answer.json(), {
    first_name: 'Ada',
    last_name: 'Byron',
    city: null,
    phone: '+4930901820',
    phone_valid: true,
    updated_by: root.user.id,
  });
  const event = (await events()).at(-1);
  t.match(event, { action: 'USER_UPDATED', metadata: { fields: ['city', 'last_name'] } });
  t.equal(answer.headers['audit-event'], event?.id);
  t.notMatch(JSON.stringify(event), /Byron|London/);
});

test('a merge patch is no body of a POST', async (t) => {
  const { call, root } = await buildDirectory(t);
  for (const type of ['application/merge-patch+json', 'Application/Merge-Patch+JSON; a=b']) {
    const answer = await call('POST', '/api/users', {
      token: root.token,
      body: JSON.stringify({ email: 'x@example.com' }),
      headers: { 'content-type': type },
    });
    t.equal(answer.statusCode, 415, type);
  }
});

test('of changes of one state only one takes effect', async (t) => {
  const { patch, call, root, ada } = await buildDirectory(t);
  const shown = await call('GET', `/api/users/${ada.user.id}`, { token: root.token });
  const headers = { 'if-match': String(shown.headers.etag) };
  const answers = await Promise.all(['Ada', 'Eve', 'Bob'].map((name) => patch({ name }, headers)));
  t.strictSame(
    answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b),
    [200, 412, 412],
  );
  for (const [body, path] of [
    [{ name: 'x' }, ''],
    [{ status: 'suspended' }, '/status'],
  ] as const)
    t.equal((await patch(body, headers, path)).statusCode, 412, path);
});

test('REQUIRE_IF_MATCH refuses a change that names no state', async (t) => {
  const { patch, call, root, ada } = await buildDirectory(t, { REQUIRE_IF_MATCH: 'on' });
  const url = `/api/users/${ada.user.id}`;
  t.match((await patch({ name: 'x' })).json(), { status: 428, code: 'precondition_required' });
  t.equal((await patch({ status: 'inactive' }, {}, '/status')).statusCode, 428);
  t.equal((await call('DELETE', url, { token: root.token })).statusCode, 428);
  const { headers } = await call('GET', url, { token: root.token });
  const changed = await patch({ name: 'x' }, { 'if-match': String(headers.etag) });
  t.equal(changed.statusCode, 200);
});

test('a country is answered as it was sent, and stored by its code', async (t) => {
  const { patch, call, root, ada } = await buildDirectory(t);
  for (const [country, code] of [
    ['United States', 'US'],
    [' deutschland ', undefined],
    ['DEU', 'DE'],
    [null, null],
  ] as const) {
    const answer = await patch({ country });
    if (code === undefined) t.match(answer.json(), { errors: [{ pointer: '/country' }] });
    else t.match(answer.json(), { country, country_code: code });
  }
  await patch({ country: 'Germany' });
  const { data } = (await call('GET', '/api/users?country=de', { token: root.token })).json<{
    data: { id: string }[];
  }>();
  t.strictSame(
    data.map(({ id }) => id),
    [ada.user.id],
  );
});

test('a new address is unproved, and its former reader is told', async (t) => {
  const { patch, rows, ada } = await buildDirectory(t);
  await rows('update identity.users set is_verified = true where id = $1', [ada.user.id]);
  const answer = await patch({ email: 'countess@example.org' });
  t.match(answer.json(), {
    email: 'countess@example.org',
    is_verified: false,
    email_verified_at: null,
  });
  t.match(await rows('select template from identity.mail_outbox'), [{ template: 'email_changed' }]);
  t.match((await patch({ email: 'admin@example.com' })).json(), { code: 'email_taken' });
});

test('a new number is unproved, the same one typed otherwise stays proved', async (t) => {
  const { patch, rows, ada } = await buildDirectory(t);
  await patch({ phone: '+49 30 901820' });
  await rows('update identity.users set phone_verified_at = now() where id = $1', [ada.user.id]);
  t.ok((await patch({ phone: '+49 (0)30 901820' })).json().phone_verified_at);
  t.match((await patch({ phone: '+1234567890' })).json(), {
    phone_verified_at: null,
    phone_valid: false,
  });
  t.match((await patch({ phone: null })).json(), { phone: null, phone_valid: null });
});

test('an administrator of an unproved address keeps no password and no session', async (t) => {
  const { patch, rows, ada, call } = await buildDirectory(t);
  const answer = await patch({ type: 'admin' });
  t.match(answer.json(), { type: 'admin', is_verified: false });
  t.equal((await call('GET', '/api/users/me', { token: ada.token })).statusCode, 401);
  t.strictSame(
    await rows('select password_hash from identity.users where id = $1', [ada.user.id]),
    [{ password_hash: null }],
  );
  t.match(await rows('select template from identity.mail_outbox'), [{ template: 'set_password' }]);
});

test('a suspended user is not made an administrator', async (t) => {
  const { patch } = await buildDirectory(t);
  await patch({ status: 'suspended' }, {}, '/status');
  t.match((await patch({ type: 'admin' })).json(), { status: 409, code: 'status_conflict' });
});

test('an API token changes no privileged account and makes none', async (t) => {
  const { call, root, ada, rows, events } = await buildDirectory(t);
  const made = await call('POST', '/api/auth/tokens', {
    token: root.token,
    body: { name: 'directory', scopes: ['directory:read', 'directory:write'] },
  });
  const { token } = made.json<{ token: string }>();
  const id = ada.user.id;
  const change = (body: object) => call('PATCH', `/api/users/${id}`, { token, body });
  t.equal((await change({ name: 'Ada' })).statusCode, 200);
  t.match((await change({ type: 'admin' })).json(), { code: 'session_required' });
  const body = { email: 'x@example.org', type: 'admin' };
  t.match((await call('POST', '/api/users', { token, body })).json(), { code: 'session_required' });
  await rows(`update identity.users set type = 'admin' where id = $1`, [id]);
  t.match((await change({ name: 'Eve' })).json(), { code: 'permission_denied' });
  t.match((await call('DELETE', `/api/users/${id}`, { token })).json(), {
    code: 'permission_denied',
  });
  t.match((await events()).at(-1), {
    action: 'ACCESS_DENIED',
    metadata: { reason: 'privileged_target', operation: 'directory.delete_user' },
  });
});

test("an administrator's own address and account go by their own routes", async (t) => {
  const { call, root } = await buildDirectory(t);
  const url = `/api/users/${root.user.id}`;
  const moved = await call('PATCH', url, { token: root.token, body: { email: 'me@example.org' } });
  t.match(moved.json(), { status: 409, code: 'own_account' });
  t.match((await call('DELETE', url, { token: root.token })).json(), { code: 'own_account' });
});

test('an absent user and a malformed id are refused', async (t) => {
  const { call, root } = await buildDirectory(t);
  for (const [method, path, body] of [
    ['GET', '', undefined],
    ['PATCH', '', { name: 'x' }],
    ['PATCH', '/status', { status: 'active' }],
    ['GET', '/deletion-plan', undefined],
    ['DELETE', '', undefined],
  ] as const) {
    const send = (id: string) =>
      call(method, `/api/users/${id}${path}`, { token: root.token, ...(body && { body }) });
    const absent = await send('01890000-0000-7000-8000-000000000000');
    t.strictSame([absent.statusCode, absent.json().code], [404, 'user_not_found'], method + path);
    t.match((await send('7')).json(), { status: 400, errors: [{ pointer: '/params/id' }] });
  }
});
