import t from 'tap';
import { build, PASSWORD, type TestServer } from '../build.ts';

const RULES =
  'login_account=5/3600,login_device=3/3600,register_network=5/3600,' +
  'recovery_account=2/3600,password_confirmation=3/3600,email_change=2/3600';
const LIMITED = { LIMITS: 'on', LIMIT_RULES: RULES };

const login = (
  on: TestServer,
  email: string,
  password: string,
  more: object = {},
  ip = '192.0.2.1',
) =>
  on.call('POST', '/api/users/login', {
    body: { email, password, ...more },
    headers: { 'x-forwarded-for': ip },
  });
const statuses = (answers: { statusCode: number }[], status: number): number =>
  answers.filter(({ statusCode }) => statusCode === status).length;

t.test('fifty parallel wrong passwords at two replicas are all counted', async (t) => {
  const one = await build(t, { ...LIMITED, PASSWORD_QUEUE_LIMIT: '200' });
  const two = await one.replica();
  await one.register('ada@example.com');
  for (const email of ['ada@example.com', 'nobody@example.com']) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        login(index % 2 ? one : two, email, 'not the password', {}, `192.0.2.${index}`),
      ),
    );
    t.equal(statuses(answers, 401), 5, email);
    t.equal(statuses(answers, 429), 45, email);
    const refused = answers.find(({ statusCode }) => statusCode === 429);
    t.equal(refused?.json().code, 'rate_limited');
    t.match(refused?.headers['retry-after'], /^[1-9][0-9]*$/);
    t.match(refused?.headers.ratelimit, /^"login_account";r=0;t=\d+$/);
    t.equal(refused?.headers['ratelimit-policy'], '"login_account";q=5;w=3600');
  }
  const failed = (await one.events()).filter(({ action }) => action === 'LOGIN_FAIL');
  t.strictSame(failed.filter(({ error }) => error === 'rate_limited').length, 2);
  t.equal(failed.length, 12);
});

t.test('right passwords use up no attempts', async (t) => {
  const one = await build(t, LIMITED);
  await one.register();
  for (let index = 0; index < 7; index += 1)
    t.equal((await login(one, 'ada@example.com', PASSWORD)).statusCode, 200);
  t.equal((await login(one, 'ada@example.com', 'not the password')).statusCode, 401);
});

t.test('a known device has its own limit, so attackers cannot lock the owner out', async (t) => {
  const one = await build(t, LIMITED);
  await one.register();
  const first = await login(one, 'ada@example.com', PASSWORD);
  const device_token: string = first.json().device_token;
  const inCookie = await one.call('POST', '/api/users/login?session=cookie', {
    body: { email: 'ada@example.com', password: PASSWORD },
  });
  t.notOk(inCookie.json().device_token);
  const cookie = inCookie.cookies.find(({ name }) => name === 'device');
  t.match(cookie, { httpOnly: true, secure: true, sameSite: 'Strict', path: '/' });
  for (let index = 0; index < 6; index += 1)
    await login(one, 'ada@example.com', 'not the password', {}, '203.0.113.9');
  t.equal((await login(one, 'ada@example.com', PASSWORD)).statusCode, 429, 'no device');
  const wrong = device_token.slice(0, -2) + (device_token.endsWith('AA') ? 'BB' : 'AA');
  for (const forged of [
    wrong,
    'mdv1',
    '',
    `mdv1.${'9'.repeat(10)}.${'A'.repeat(22)}.${'A'.repeat(43)}`,
  ])
    t.equal(
      (await login(one, 'ada@example.com', PASSWORD, { device_token: forged })).statusCode,
      429,
      forged,
    );
  t.equal(
    (await login(one, 'ada@example.com', PASSWORD, { device_token })).statusCode,
    200,
    'by token',
  );
  t.equal(
    (
      await one.call('POST', '/api/users/login', {
        body: { email: 'ada@example.com', password: PASSWORD },
        headers: { cookie: `device=${cookie?.value}` },
      })
    ).statusCode,
    200,
    'by cookie',
  );
  const onDevice = [];
  for (let index = 0; index < 4; index += 1)
    onDevice.push(
      (await login(one, 'ada@example.com', 'not the password', { device_token })).statusCode,
    );
  t.strictSame(onDevice, [401, 401, 401, 429]);
  const stored = JSON.stringify(await one.events());
  t.notMatch(stored, device_token);
});

const NEW_PASSWORD = 'another good battery';
const DEVICE_RULES = {
  LIMITS: 'on',
  LIMIT_RULES: 'login_account=2/3600,login_device=3/3600,login_devices_day=5/86400',
};

/** Fails to log in until every limit that the device tokens or a stranger have is used up. */
async function exhaust(on: TestServer, email: string, devices: readonly string[]): Promise<void> {
  for (const more of [...devices.map((device_token) => ({ device_token })), {}])
    for (let index = 0; index < 4; index += 1)
      await login(on, email, 'not the password', more, '203.0.113.9');
}
const deviceTokenOf = async (on: TestServer, email: string, password = PASSWORD): Promise<string> =>
  (await login(on, email, password)).json<{ device_token: string }>().device_token;
const statusOf = async (on: TestServer, password: string, device_token: string): Promise<number> =>
  (await login(on, 'ada@example.com', password, { device_token }, '198.51.100.7')).statusCode;

t.test("one known device's failures use up no other's attempts", async (t) => {
  const one = await build(t, DEVICE_RULES);
  await one.register();
  const thiefs: string[] = [];
  for (let index = 0; index < 4; index += 1)
    thiefs.push(await deviceTokenOf(one, 'ada@example.com'));
  const owners = await deviceTokenOf(one, 'ada@example.com');
  await exhaust(one, 'ada@example.com', thiefs);
  t.strictSame(
    await Promise.all(thiefs.map((device) => statusOf(one, PASSWORD, device))),
    [429, 429, 429, 429],
  );
  t.equal(await statusOf(one, PASSWORD, owners), 200);
});

t.test("a known device that is past its limit leaves strangers' attempts alone", async (t) => {
  const one = await build(t, DEVICE_RULES);
  await one.register();
  const device_token = await deviceTokenOf(one, 'ada@example.com');
  const answers = [];
  for (let index = 0; index < 9; index += 1)
    answers.push(await statusOf(one, 'not the password', device_token));
  t.strictSame(answers, [401, 401, 401, 429, 429, 429, 429, 429, 429]);
  t.equal((await login(one, 'ada@example.com', PASSWORD)).statusCode, 200, 'a new device');
});

t.test('a changed password makes earlier devices strangers, and its own is known', async (t) => {
  const one = await build(t, DEVICE_RULES);
  await one.register();
  const thiefs = await deviceTokenOf(one, 'ada@example.com');
  const { token } = (await login(one, 'ada@example.com', PASSWORD)).json<{ token: string }>();
  const changed = await one.call('POST', '/api/users/me/password', {
    token,
    body: { current_password: PASSWORD, new_password: NEW_PASSWORD },
  });
  const owners = changed.json<{ device_token: string }>().device_token;
  await exhaust(one, 'ada@example.com', []);
  t.equal(await statusOf(one, NEW_PASSWORD, thiefs), 429, 'no longer a known device');
  await exhaust(one, 'ada@example.com', [thiefs]);
  t.equal(await statusOf(one, NEW_PASSWORD, owners), 200);
});

t.test('a rehashed password keeps its devices', async (t) => {
  const one = await build(t, DEVICE_RULES);
  await one.register();
  const device_token = await deviceTokenOf(one, 'ada@example.com');
  const stronger = await one.replica({ PASSWORD_PASSES: '3' });
  t.equal((await login(stronger, 'ada@example.com', PASSWORD)).statusCode, 200);
  await exhaust(one, 'ada@example.com', []);
  t.equal(await statusOf(one, PASSWORD, device_token), 200);
});

t.test('a deleted account leaves no known device to the next one of its address', async (t) => {
  const one = await build(t, DEVICE_RULES);
  const { token } = await one.register();
  const former = await deviceTokenOf(one, 'ada@example.com');
  await one.call('DELETE', '/api/users/me', { token, body: { password: PASSWORD } });
  const { device_token } = (await one.register()) as unknown as { device_token: string };
  await exhaust(one, 'ada@example.com', []);
  t.equal(await statusOf(one, PASSWORD, former), 429);
  t.equal(await statusOf(one, PASSWORD, device_token), 200);
});

t.test('a device stays known when its account gets a new address', async (t) => {
  const one = await build(t, DEVICE_RULES);
  await one.register();
  const device_token = await deviceTokenOf(one, 'ada@example.com');
  await one.rows(`update identity.users set email = 'a@example.com', email_key = 'a@example.com'`);
  await exhaust(one, 'a@example.com', []);
  t.equal((await login(one, 'a@example.com', PASSWORD)).statusCode, 429);
  t.equal((await login(one, 'a@example.com', PASSWORD, { device_token })).statusCode, 200);
});

t.test('an overload uses up no attempt', async (t) => {
  const one = await build(t, LIMITED);
  const { token } = await one.register();
  const { passwords } = one.context;
  const { verify } = passwords;
  passwords.verify = () => Promise.reject(Object.assign(new Error('busy'), { statusCode: 503 }));
  const change = (current_password: string) =>
    one.call('POST', '/api/users/me/password', {
      token,
      body: { current_password, new_password: 'another good battery' },
    });
  const signIn = () => login(one, 'ada@example.com', PASSWORD);
  for (let index = 0; index < 5; index += 1) {
    t.equal((await change(PASSWORD)).statusCode, 503);
    t.equal((await signIn()).statusCode, 503);
  }
  passwords.verify = verify;
  t.equal((await signIn()).statusCode, 200);
  t.equal((await change(PASSWORD)).statusCode, 200);
});

t.test('a device token is useless for another account', async (t) => {
  const one = await build(t, LIMITED);
  await one.register();
  const { device_token } = (await login(one, 'ada@example.com', PASSWORD)).json<{
    device_token: string;
  }>();
  await one.register('bob@example.com');
  for (let index = 0; index < 5; index += 1)
    await login(one, 'bob@example.com', 'not the password');
  t.equal(
    (await login(one, 'bob@example.com', 'not the password', { device_token })).statusCode,
    429,
  );
});

t.test('registrations are limited by network, for IPv6 by /64', async (t) => {
  const one = await build(t, LIMITED);
  const answers = [];
  for (let index = 0; index < 7; index += 1) {
    answers.push(
      await one.call('POST', '/api/users/register', {
        body: { email: `u${index}@example.com`, password: PASSWORD },
        headers: { 'x-forwarded-for': `2001:db8:1:2::${index + 1}` },
      }),
    );
  }
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    [201, 201, 201, 201, 201, 429, 429],
  );
  const elsewhere = await one.call('POST', '/api/users/register', {
    body: { email: 'u9@example.com', password: PASSWORD },
    headers: { 'x-forwarded-for': '2001:db8:1:3::1' },
  });
  t.equal(elsewhere.statusCode, 201);
  t.equal((await one.rows('select 1 from identity.users')).length, 6);
});

t.test('recovery is limited by address, password confirmation by user', async (t) => {
  const one = await build(t, LIMITED);
  const { token } = await one.register();
  for (const email of ['ada@example.com', 'nobody@example.com']) {
    const asked = [];
    for (let index = 0; index < 3; index += 1)
      asked.push(
        (await one.call('POST', '/api/auth/forgot-password', { body: { email } })).statusCode,
      );
    t.strictSame(asked, [202, 202, 429], email);
  }
  const { device_token } = (await login(one, 'ada@example.com', PASSWORD)).json<{
    device_token: string;
  }>();
  t.equal(
    (
      await one.call('POST', '/api/auth/forgot-password', {
        body: { email: 'ada@example.com', device_token },
      })
    ).statusCode,
    202,
    'strangers have used up what strangers have',
  );
  const change = (current_password: string) =>
    one.call('POST', '/api/users/me/password', {
      token,
      body: { current_password, new_password: 'another good battery' },
    });
  const changed = [];
  for (let index = 0; index < 4; index += 1)
    changed.push((await change('not the password')).statusCode);
  t.strictSame(changed, [403, 403, 403, 429]);
  t.equal((await change(PASSWORD)).statusCode, 429);
});

t.test('API tokens are limited by user, introspection has its own limit', async (t) => {
  const one = await build(t, { LIMITS: 'on', LIMIT_RULES: 'token_creation=2/3600' });
  const { user } = await one.register();
  await one.rows(`update identity.users set type = 'admin' where id = $1`, [user.id]);
  const { token } = (await login(one, 'ada@example.com', PASSWORD)).json<{ token: string }>();
  const made = [];
  for (let index = 0; index < 3; index += 1)
    made.push(
      (
        await one.call('POST', '/api/auth/tokens', {
          token,
          body: { name: `t${index}`, scopes: ['files:read'] },
        })
      ).statusCode,
    );
  t.strictSame(made, [201, 201, 429]);
  t.equal(
    (await one.events()).filter(
      ({ action, error }) => action === 'API_TOKEN_CREATED' && error === 'rate_limited',
    ).length,
    1,
  );
  const introspected = await one.call('POST', '/api/auth/introspect', {
    token,
    body: `token=${token}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  t.match(introspected.headers.ratelimit, /^"introspection";r=59999;/);
});

t.test('without a database no password guess goes uncounted', async (t) => {
  const one = await build(t, LIMITED);
  await one.register();
  await one.rows('alter function shared.take_limits(bytea[], bigint[], integer[]) rename to gone');
  const answer = await login(one, 'ada@example.com', PASSWORD);
  t.ok(answer.statusCode >= 500, String(answer.statusCode));
  t.equal((await one.events()).filter(({ action }) => action === 'LOGIN_SUCCESS').length, 0);
});

t.test('LIMITS=off limits nothing', async (t) => {
  const one = await build(t, { LIMIT_RULES: RULES, LIMITS: 'off' });
  for (let index = 0; index < 8; index += 1)
    t.equal((await login(one, 'ada@example.com', 'not the password')).statusCode, 401);
});

t.test('the mails of repeated changes of address are limited', async (t) => {
  const one = await build(t, LIMITED);
  const { token } = await one.register();
  const answers = [];
  for (let index = 0; index < 4; index += 1)
    answers.push(
      await one.call('POST', '/api/users/me/email', {
        token,
        body: { email: `stranger-${index}@example.com`, password: PASSWORD },
      }),
    );
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    [202, 202, 429, 429],
  );
  t.equal(
    (await one.events()).filter(
      ({ action, error }) => action === 'EMAIL_CHANGE_REQUESTED' && error === 'rate_limited',
    ).length,
    1,
  );
});
