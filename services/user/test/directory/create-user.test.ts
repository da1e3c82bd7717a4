import { test } from 'tap';
import { build, PASSWORD } from '../build.ts';
import { buildWithMail, tokenIn } from '../mailbox.ts';
import { registerAs } from './administrator.ts';

const GRACE = {
  type: 'vendor',
  firstName: 'Grace',
  lastName: 'Hopper',
  email: 'Grace@example.org',
  phone: '+1234567890',
  postCode: '10115',
  country: 'Germany',
  city: 'Berlin',
  externalId: 'crm-1',
  appMetadata: { plan: 'pro' },
  isProfileUpdated: true,
};

test('an administrator creates a user, whose mail sets the first password', async (t) => {
  const server = await buildWithMail(t);
  const { token, user: root } = await registerAs(server);
  const answer = await server.call('POST', '/api/users', { token, body: GRACE });
  t.equal(answer.statusCode, 201, answer.body);
  const created = answer.json<{ id: string }>();
  t.match(created, {
    type: 'vendor',
    status: 'active',
    email: 'Grace@example.org',
    first_name: 'Grace',
    last_name: 'Hopper',
    phone: '+1234567890',
    phone_valid: false,
    post_code: '10115',
    country: 'Germany',
    country_code: 'DE',
    city: 'Berlin',
    external_id: 'crm-1',
    app_metadata: { plan: 'pro' },
    user_metadata: {},
    is_verified: false,
    verified_at: null,
    is_profile_updated: true,
    is_profile_reverified: false,
    created_by: root.id,
    updated_by: null,
  });
  t.equal(answer.headers.location, `/api/users/${created.id}`);
  const shown = await server.call('GET', `/api/users/${created.id}`, { token });
  t.strictSame(shown.json(), created);
  t.equal(shown.headers.etag, answer.headers.etag);
  const events = await server.events();
  t.match(events.slice(-2), [
    { action: 'USER_CREATED', resource: created.id, personal: { subject: created.id } },
    { action: 'CODE_SENT', metadata: { purpose: 'invitation' } },
  ]);
  t.equal(answer.headers['audit-event'], events.at(-2)?.id);
  const [mail] = await server.mailsTo('Grace@example.org');
  t.match(mail, { subject: 'Your Muniment account' });
  const body = { token: tokenIn(mail), password: PASSWORD };
  t.equal((await server.call('POST', '/api/auth/reset-password', { body })).statusCode, 204);
  const login = await server.call('POST', '/api/users/login', {
    body: { email: 'grace@example.org', password: PASSWORD },
  });
  t.match(login.json(), { user: { id: created.id, is_verified: true } });
});

test('the link of an invitation lives as long as its setting and its mail say', async (t) => {
  const server = await buildWithMail(t, { INVITATION_TOKEN_TTL_S: '864000' });
  const { token } = await registerAs(server);
  const email = 'grace@example.org';
  const headers = { 'accept-language': 'de' };
  await server.call('POST', '/api/users', { token, body: { email }, headers });
  const [mail] = await server.mailsTo(email);
  const [row] = await server.rows<{ expires_at: Date }>(
    'select expires_at from identity.reset_tokens',
  );
  const days = ((row?.expires_at.getTime() ?? 0) - Date.now()) / 86_400_000;
  t.ok(days > 9.9 && days <= 10, `${days} days`);
  const day = new Intl.DateTimeFormat('de', { dateStyle: 'long', timeZone: 'UTC' });
  const said = /Der Link gilt bis (.+) um \d\d:\d\d UTC/.exec(mail?.text ?? '')?.[1];
  t.equal(said, day.format(row?.expires_at));
});

test('without an invitation no mail goes', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  const body = { email: 'quiet@example.org', invite: false };
  t.equal((await server.call('POST', '/api/users', { token, body })).statusCode, 201);
  t.strictSame(await server.rows('select template from identity.mail_outbox'), []);
});

test('the same request under an Idempotency-Key creates one user', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  const create = () =>
    server.call('POST', '/api/users', {
      token,
      body: { email: 'once@example.org' },
      headers: { 'idempotency-key': 'create-once' },
    });
  const [first, second] = [await create(), await create()];
  t.strictSame([first.statusCode, second.statusCode], [201, 201]);
  t.strictSame(second.json(), first.json());
  t.equal(second.headers['audit-event'], first.headers['audit-event']);
  t.equal((await server.rows('select from identity.users')).length, 2);
});

test('a taken address or id is a conflict, recorded without its value', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  t.equal((await server.call('POST', '/api/users', { token, body: GRACE })).statusCode, 201);
  for (const [body, code, error] of [
    [{ email: 'GRACE@example.org' }, 'email_taken', 'email_taken'],
    [{ email: 'other@example.org', external_id: 'crm-1' }, 'id_taken', 'id_taken'],
  ] as const) {
    const answer = await server.call('POST', '/api/users', { token, body });
    t.strictSame([answer.statusCode, answer.json().code], [409, code]);
    t.match((await server.events()).at(-1), { action: 'USER_CREATED', outcome: 'failure', error });
  }
  t.equal((await server.rows('select from identity.users')).length, 2);
});

test('each bad field is named by its pointer, and nothing is created', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  const email = 'ada@example.org';
  for (const [body, pointer] of [
    [{}, ''],
    [{ firstName: 'Ada' }, '/email'],
    [{ email: 'nobody' }, '/email'],
    [{ email: 7 }, '/email'],
    [{ email, phone: 'call me' }, '/phone'],
    [{ email, phone: '030 901820' }, '/phone'],
    [{ email, type: 'root' }, '/type'],
    [{ email, type: null }, '/type'],
    [{ email, firstName: 'Ada', first_name: 'Ada' }, '/firstName'],
    [{ email, first_name: '' }, '/first_name'],
    [{ email, city: 'a\nb' }, '/city'],
    [{ email, country: 'x'.repeat(101) }, '/country'],
    [{ email, country: 'Atlantis' }, '/country'],
    [{ email, isProfileUpdated: 'yes' }, '/isProfileUpdated'],
    [{ email, status: 'active' }, '/status'],
    [{ email, is_verified: true }, '/is_verified'],
    [{ email, password: PASSWORD }, '/password'],
  ] as const) {
    const answer = await server.call('POST', '/api/users', { token, body });
    t.equal(answer.statusCode, 400, JSON.stringify(body));
    t.match(answer.json(), { code: 'validation_failed', errors: [{ pointer }] }, answer.body);
  }
  t.equal((await server.rows('select from identity.users')).length, 1);
});
