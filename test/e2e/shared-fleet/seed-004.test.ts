import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { shareFleet, type CallOptions } from '../fleet.ts';
import { isProblem } from '../problems.ts';
import { sendRaw } from '../raw-http.ts';
import { openDatabase } from '../stores.ts';

const PERSON = {
  email: 'testemail@gmail.com',
  firstname: 'xristos',
  lastname: 'apatsidis',
  password: 'rootIsAStrongestPassword',
};

interface SessionAnswer {
  success: boolean;
  sessionData: { loginInfo: string; secure: string; clientId: string };
  quote: string;
}

/** The cookies that an answer sets in a fresh browser. */
const cookiesOf = (answer: Response): Map<string, string> =>
  new Map(
    answer.headers.getSetCookie().map((line) => {
      const [pair = ''] = line.split(';');
      return [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
    }),
  );
const accessOf = (cookies: Map<string, string>): string =>
  `login_info=${cookies.get('login_info')}; secure=${cookies.get('secure')}`;

test('seed 004 works through the gateway on two replicas of each service', async (t) => {
  const fleet = await shareFleet();
  const { call } = fleet;
  const v1 = (method: string, path: string, options: CallOptions = {}) =>
    call(method, `/api/v1/auth/${path}`, options);
  const unauthorized = { success: false, message: 'Unauthorized' };

  t.strictSame(await (await v1('POST', 'register', { json: { email: PERSON.email } })).json(), {
    success: false,
    message: 'email, firstnme, lstname, password is required',
  });
  const registered = await v1('POST', 'register', {
    json: PERSON,
    headers: { 'user-agent': 'insomnia/2021.4.0' },
  });
  t.equal(registered.status, 201);
  const first = (await registered.json()) as SessionAnswer;
  t.match(first, {
    success: true,
    userData: { email: PERSON.email, firstname: 'xristos', lastname: 'apatsidis' },
    sessionData: { clientId: /^[0-9a-f-]{36}$/ },
    quote: /./,
  });
  t.strictSame(await (await v1('POST', 'register', { json: PERSON })).json(), {
    success: false,
    message: 'User exist',
  });
  t.strictSame(await (await v1('POST', 'login', { json: { email: PERSON.email } })).json(), {
    success: false,
    message: 'email and password is required',
  });

  const login = await v1('POST', 'login', {
    json: { email: PERSON.email, password: PERSON.password },
  });
  t.equal(login.status, 200);
  const second = (await login.json()) as SessionAnswer;
  const cookies = cookiesOf(login);
  t.equal(
    accessOf(cookies),
    `login_info=${second.sessionData.loginInfo}; secure=${second.sessionData.secure}`,
  );
  t.ok(
    login.headers
      .getSetCookie()
      .every((line) => /; Secure/.test(line) && /; SameSite=Strict/.test(line)),
    login.headers.getSetCookie().join('\n'),
  );
  t.strictSame([...cookies.keys()], ['login_info', 'secure', 'refresh_token', 'device']);
  t.strictSame(
    login.headers.getSetCookie().map((line) => /; HttpOnly/.test(line)),
    [false, true, true, true],
  );
  const cookie = accessOf(cookies);

  // Enough requests to reach both replicas.
  for (let n = 0; n < 4; n += 1) {
    t.strictSame(await (await v1('GET', 'user', { headers: { cookie } })).json(), {
      success: true,
      email: PERSON.email,
      firstname: 'xristos',
      lastname: 'apatsidis',
    });
    t.strictSame(await (await v1('GET', 'user')).json(), unauthorized);
  }
  const { activeSessions } = (await (
    await v1('GET', 'user/active-sessions', { headers: { cookie } })
  ).json()) as { activeSessions: { _id: string; source: string; ip: string }[] };
  t.match(activeSessions, [
    { _id: second.sessionData.clientId, source: 'node', ip: '127.0.0.1' },
    { _id: first.sessionData.clientId, source: 'insomnia/2021.4.0' },
  ]);

  await t.test('the other services accept the cookies from their own pages only', async (t) => {
    t.strictSame(await (await call('GET', '/api/files', { headers: { cookie } })).json(), []);
    t.equal((await call('GET', '/api/audit/logs', { headers: { cookie } })).status, 200);
    const form = new FormData();
    form.append('file', new File(['bytes'], 'mine.txt'));
    await isProblem(
      t,
      await call('POST', '/api/files', {
        body: form,
        headers: { cookie, origin: 'https://evil.example' },
      }),
      403,
      'origin_refused',
      'another origin',
    );
    await isProblem(
      t,
      await call('POST', '/api/files', { body: form, headers: { cookie } }),
      403,
      'origin_refused',
      'no origin',
    );
    await isProblem(
      t,
      await call('GET', '/api/files', { token: 'x', headers: { cookie } }),
      400,
      'credentials_ambiguous',
      'mixed with a bearer token',
    );
    await isProblem(
      t,
      await call('GET', '/api/audit/logs', { headers: { cookie: `${cookie}; secure=x` } }),
      400,
      'credentials_ambiguous',
      'a cookie doubled',
    );
    t.equal(
      (await call('POST', '/api/files', { body: form, headers: { cookie, origin: fleet.url } }))
        .status,
      201,
      'a page of ours',
    );
  });

  const refreshed = await call('POST', '/api/auth/refresh', {
    headers: { cookie: `refresh_token=${cookies.get('refresh_token')}`, origin: fleet.url },
  });
  t.equal(refreshed.status, 200);
  const renewed = accessOf(cookiesOf(refreshed));
  t.not(renewed, cookie);

  const logout = (
    id: string,
    headers: Record<string, string> = { cookie: renewed, origin: fleet.url },
  ) => v1('POST', `user/logout/${id}`, { headers });
  t.strictSame(await (await logout('01890000-0000-7000-8000-000000000000')).json(), {
    success: false,
    message: 'Error processing the request',
  });
  t.strictSame(await (await logout(first.sessionData.clientId, {})).json(), unauthorized);
  t.strictSame(await (await logout(first.sessionData.clientId)).json(), { success: true });
  const refusedEverywhere = (which: string, ended: string) =>
    until(
      async () =>
        (
          await Promise.all(
            Array.from({ length: 6 }, () => v1('GET', 'user', { headers: { cookie: ended } })),
          )
        ).every((answer) => answer.status === 401),
      { what: `the ${which} session is refused by all replicas`, timeoutMs: timeBound(3_000) },
    );
  await refusedEverywhere('first', accessOf(cookiesOf(registered)));
  const own = await logout(second.sessionData.clientId);
  t.strictSame([...cookiesOf(own).values()], ['', '', ''], 'its own end takes the cookies back');
  await refusedEverywhere('second', renewed);
  t.strictSame(
    await (await v1('GET', 'user', { headers: { cookie: renewed } })).json(),
    unauthorized,
  );

  await t.test('a user agent of a megabyte is refused, a long one is shortened', async (t) => {
    const rows = await openDatabase(t, fleet);
    const body = JSON.stringify({ email: PERSON.email, password: PERSON.password });
    const request = (userAgent: string) =>
      [
        'POST /api/v1/auth/login HTTP/1.1',
        'Host: localhost',
        `User-Agent: ${userAgent}`,
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
        'Connection: close',
        '',
        body,
      ].join('\r\n');
    await isProblem(
      t,
      await sendRaw(fleet.url, request('x'.repeat(1_000_000))),
      431,
      'headers_too_large',
      'a megabyte',
    );
    t.equal((await sendRaw(fleet.url, request('x'.repeat(6_000)))).status, 200);
    t.strictSame(
      await rows(
        `select octet_length(user_agent)::int as bytes
         from identity.sessions s join identity.users u on u.id = s.user_id
         where u.email = $1 order by s.id desc limit 1`,
        [PERSON.email],
      ),
      [{ bytes: 512 }],
    );
  });

  const token = (
    (await (
      await call('POST', '/login', { json: { email: PERSON.email, password: PERSON.password } })
    ).json()) as { token: string }
  ).token;
  const expected = [
    'SIGNUP_SUCCESS',
    'LOGIN_SUCCESS',
    'ACCESS_DENIED',
    'ACCESS_DENIED',
    'FILE_UPLOAD',
    'TOKEN_REFRESHED',
    'SESSION_REVOKED',
    'SESSION_REVOKED',
    'LOGIN_SUCCESS',
    'LOGIN_SUCCESS',
  ];
  // Each service has its own lane, so the last event may not arrive last.
  const actions = await until(
    async () => {
      const found = (await fleet.trail(token)).map(({ action }) => action);
      return found.length >= expected.length && found;
    },
    { what: 'all of it is in the trail', timeoutMs: timeBound(10_000) },
  );
  t.strictSame(actions, expected);
});
