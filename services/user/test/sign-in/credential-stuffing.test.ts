import t from 'tap';
import { build, PASSWORD, type TestServer } from '../build.ts';

const login = (on: TestServer, email: string, password: string, ip = '192.0.2.1') =>
  on.call('POST', '/api/users/login', {
    body: { email, password },
    headers: { 'x-forwarded-for': ip },
  });

t.test('credential stuffing is reported once per network and per account', async (t) => {
  const one = await build(t, {
    LIMITS: 'on',
    LIMIT_RULES: 'stuffing_network=4/3600,stuffing_account=4/3600,login_account=100/3600',
  });
  const two = await one.replica();
  const told = async (pattern: string) =>
    (await one.events()).filter(
      ({ action, error }) => action === 'CREDENTIAL_STUFFING_DETECTED' && error === pattern,
    ).length;
  for (let index = 0; index < 6; index += 1)
    await login(one, 'ada@example.com', 'not the password');
  t.equal(
    await told('accounts_from_network'),
    0,
    'one who mistypes their own password is no pattern',
  );
  await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      login(index % 2 ? one : two, `u${index}@example.com`, 'not the password'),
    ),
  );
  t.equal(await told('accounts_from_network'), 1);
  t.equal(await told('networks_on_account'), 0);
  await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      login(index % 2 ? one : two, 'bob@example.com', 'not the password', `198.51.100.${index}`),
    ),
  );
  t.equal(await told('networks_on_account'), 1);
  t.equal(await told('accounts_from_network'), 1);
});

t.test('a surplus of failed logins from anywhere is reported once', async (t) => {
  const one = await build(t, {
    LIMITS: 'on',
    LIMIT_RULES:
      'stuffing_global=6/3600,login_account=100/3600,login_network=1000/3600,' +
      'stuffing_network=100/3600,stuffing_account=100/3600',
  });
  const two = await one.replica();
  await one.register('ada@example.com', PASSWORD);
  const told = async () =>
    (await one.events()).filter(
      ({ action, error }) => action === 'CREDENTIAL_STUFFING_DETECTED' && error === 'failure_ratio',
    ).length;
  let attempts = 0;
  const fail = () =>
    login(
      (attempts += 1) % 2 ? one : two,
      `u${attempts}@example.com`,
      'not the password',
      `198.51.100.${attempts}`,
    );
  for (let index = 0; index < 10; index += 1) {
    await fail();
    t.equal((await login(index % 2 ? one : two, 'ada@example.com', PASSWORD)).statusCode, 200);
  }
  t.equal(await told(), 0, 'each that succeeded weighs one up that failed');
  await Promise.all(Array.from({ length: 14 }, fail));
  t.equal(await told(), 1);
});
