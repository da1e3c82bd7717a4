import { test } from 'tap';
import { build, PASSWORD } from '../build.ts';

test('registering creates an account, a session and one event', async (t) => {
  const { call, rows, events } = await build(t);
  const answer = await call('POST', '/api/users/register', {
    body: { email: ' Ada@Example.com ', password: PASSWORD, name: 'Ada' },
  });
  t.equal(answer.statusCode, 201);
  const { user, token, refresh_token, expires_in, session_id } = answer.json();
  t.match(user, {
    email: 'Ada@Example.com',
    name: 'Ada',
    type: 'customer',
    status: 'active',
    is_verified: false,
  });
  t.notOk('password_hash' in user || 'email_key' in user);
  t.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  t.match(refresh_token, /^mrt_/);
  t.equal(expires_in, 900);
  t.strictSame(await rows('select id, email_key from identity.users'), [
    { id: user.id, email_key: 'ada@example.com' },
  ]);
  t.strictSame(await rows('select id from identity.sessions'), [{ id: session_id }]);
  t.match(await events(), [
    {
      action: 'SIGNUP_SUCCESS',
      outcome: 'success',
      user_id: user.id,
      session_id,
      personal: { subject: user.id },
    },
  ]);
});

test('twenty parallel registrations of one address create one account', async (t) => {
  const { call, rows, events } = await build(t);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      call('POST', n % 2 ? '/signup' : '/api/users/register', {
        body: { email: n % 3 ? 'ada@example.com' : 'ADA@example.com', password: PASSWORD },
      }),
    ),
  );
  t.equal(answers.filter((answer) => answer.statusCode === 201).length, 1);
  const refused = answers.filter((answer) => answer.statusCode === 409);
  t.equal(refused.length, 19);
  t.match(refused[0]?.json(), { code: 'email_taken', status: 409 });
  t.equal((await rows('select 1 from identity.users')).length, 1);
  const recorded = await events();
  t.equal(recorded.filter((event) => event.action === 'SIGNUP_SUCCESS').length, 1);
  t.equal(
    recorded.filter((event) => event.action === 'SIGNUP_FAIL' && event.error === 'email_taken')
      .length,
    19,
  );
});

test('an invalid registration is refused with its code and leaves nothing', async (t) => {
  const { call, rows, events } = await build(t);
  const cases: [object | string, number, string][] = [
    ['{"email":', 400, 'malformed_json'],
    ['', 400, 'validation_failed'],
    ['{"email":"a@b.co","password":"long enough\\u0000"}', 400, 'malformed_text'],
    ['{"email":"a@b.co","password":"long enough\\ud800"}', 400, 'malformed_text'],
    ['{"__proto__":{"x":1},"email":"a@b.co","password":"long enough"}', 400, 'malformed_json'],
    [{ email: 'a@b.co' }, 400, 'validation_failed'],
    [{ email: 'a@b.co', password: 12345678 }, 400, 'validation_failed'],
    [{ email: 'a@b.co', password: 'long enough', admin: true }, 400, 'validation_failed'],
    [{ email: 'a@b.co', password: 'long enough', type: 'admin' }, 400, 'validation_failed'],
    [{ email: 'not an address', password: 'long enough' }, 422, 'email_malformed'],
    [{ email: 'a@localhost', password: 'long enough' }, 422, 'email_malformed'],
    [{ email: 'a@b.co', password: 'short' }, 422, 'password_length'],
    [{ email: 'a@b.co', password: 'x'.repeat(129) }, 422, 'password_length'],
    [{ email: 'a@b.co', password: 'Password123' }, 422, 'password_common'],
    [{ email: 'ada.lovelace@b.co', password: 'Lovelace1815!' }, 422, 'password_common'],
    [{ email: 'a@b.co', password: 'Muniment2026' }, 422, 'password_common'],
    [{ email: 'a@b.co', password: 'long enough', name: 'x'.repeat(70_000) }, 413, 'body_too_large'],
  ];
  for (const [body, status, code] of cases) {
    const answer = await call('POST', '/api/users/register', {
      body,
      headers: { 'content-type': 'application/json' },
    });
    t.match(
      { status: answer.statusCode, type: answer.headers['content-type'], code: answer.json().code },
      { status, type: /^application\/problem\+json/, code },
      JSON.stringify(body).slice(0, 80),
    );
  }
  const form = await call('POST', '/api/users/register', {
    body: 'email=a',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  t.equal(form.json().code, 'unsupported_media_type');
  t.strictSame(await rows('select 1 from identity.users'), []);
  // A malformed address has no subject to record; a refused password has.
  t.strictSame(
    (await events()).map(({ action, error }) => [action, error]),
    [
      ...Array(2).fill(['SIGNUP_FAIL', 'password_length']),
      ...Array(3).fill(['SIGNUP_FAIL', 'password_common']),
    ],
  );
});
