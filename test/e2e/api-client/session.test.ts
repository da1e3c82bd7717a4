import { test } from 'tap';
import { until } from '@muniment/testing';
import {
  createClient,
  isProblem,
  type ClientOptions,
  type SessionTokens,
} from '../../../packages/api-client/src/index.ts';
import { PASSWORD, shareFleet, type Fleet, type SignedIn } from '../fleet.ts';
import { startFaultProxy } from './fault-proxy.ts';

const CALLERS = 50;
const REFRESH = 'POST /api/auth/refresh';
const PROFILE = 'GET /api/users/me';
const REFUSED = 'not.a.token';

const tokensOf = ({ token, refresh_token }: SignedIn, expires_at: number): SessionTokens => ({
  token,
  refresh_token,
  expires_at,
});

/** The TOKEN_REFRESHED events of the caller, once `count` of them are in the trail. */
async function refreshEvents(fleet: Fleet, token: string, count: number): Promise<number> {
  const read = async (): Promise<number> =>
    (await fleet.trail(token)).filter(({ action }) => action === 'TOKEN_REFRESHED').length;
  await until(async () => (await read()) >= count, { what: `${count} refreshes in the trail` });
  return read();
}

/** All profiles at once, through one client. */
async function readProfiles(options: ClientOptions): Promise<string[]> {
  const client = createClient(options);
  const calls = Array.from({ length: CALLERS }, () => client.api.account.getProfile());
  return (await Promise.all(calls)).map(({ data }) => data.id);
}

test('50 callers with an expired token make one refresh', async (t) => {
  const fleet = await shareFleet();
  const proxy = await startFaultProxy(t, { target: fleet.url });
  const ada = await fleet.signUp();
  const stored: (SessionTokens | undefined)[] = [];
  const ids = await readProfiles({
    url: proxy.url,
    session: tokensOf({ ...ada, token: REFUSED }, Date.now() - 1),
    onSession: (tokens) => stored.push(tokens),
  });
  t.same(new Set(ids), new Set([ada.user.id]));
  t.equal(proxy.count(REFRESH), 1);
  t.equal(proxy.count(PROFILE), CALLERS, 'nobody sent the expired one');
  t.equal(stored.length, 1);
  t.not(stored[0]?.refresh_token, ada.refresh_token);
  t.equal(await refreshEvents(fleet, ada.token, 1), 1);
});

test('50 callers whose token is refused make one refresh', async (t) => {
  const fleet = await shareFleet();
  const proxy = await startFaultProxy(t, { target: fleet.url });
  const ada = await fleet.signUp();
  const session = tokensOf({ ...ada, token: REFUSED }, Date.now() + 900_000);
  const ids = await readProfiles({ url: proxy.url, session });
  t.equal(ids.length, CALLERS);
  t.equal(proxy.count(REFRESH), 1);
  t.equal(proxy.count(PROFILE), 2 * CALLERS, 'each was repeated once');
});

test("a 401 that comes after another caller's refresh makes no second one", async (t) => {
  const fleet = await shareFleet();
  const release = Promise.withResolvers<void>();
  const proxy = await startFaultProxy(t, {
    target: fleet.url,
    fault: ({ route }, nth) =>
      route === PROFILE && nth === 1 ? { holdUntil: release.promise } : undefined,
  });
  const ada = await fleet.signUp();
  const session = tokensOf({ ...ada, token: REFUSED }, Date.now() + 900_000);
  const client = createClient({ url: proxy.url, session });
  const late = client.api.account.getProfile();
  await until(() => proxy.count(PROFILE) === 1);
  await client.api.account.getProfile();
  release.resolve();
  t.equal((await late).data.id, ada.user.id);
  t.equal(proxy.count(REFRESH), 1);
});

test('a caller that gives up does not end the refresh of the others', async (t) => {
  const fleet = await shareFleet();
  const release = Promise.withResolvers<void>();
  const proxy = await startFaultProxy(t, {
    target: fleet.url,
    fault: ({ route }) => (route === REFRESH ? { holdUntil: release.promise } : undefined),
  });
  const ada = await fleet.signUp();
  const client = createClient({ url: proxy.url, session: tokensOf(ada, Date.now() - 1) });
  const controller = new AbortController();
  const given = client.api.account.getProfile({ signal: controller.signal });
  const other = client.api.account.getProfile();
  await until(() => proxy.count(REFRESH) === 1);
  controller.abort(new Error('no longer wanted'));
  await t.rejects(given, { message: 'no longer wanted' });
  release.resolve();
  t.equal((await other).data.id, ada.user.id);
  t.equal(proxy.count(REFRESH), 1);
});

test('a token is refreshed before its end, and nobody waits for it', async (t) => {
  const fleet = await shareFleet();
  const release = Promise.withResolvers<void>();
  const proxy = await startFaultProxy(t, {
    target: fleet.url,
    fault: ({ route }) => (route === REFRESH ? { holdUntil: release.promise } : undefined),
  });
  const ada = await fleet.signUp();
  const changed = Promise.withResolvers<SessionTokens | undefined>();
  const client = createClient({ url: proxy.url, onSession: changed.resolve });
  // As an access token of 40 s, of which 9 s are left.
  const realNow = Date.now;
  t.teardown(() => (Date.now = realNow));
  client.session.adopt({ ...ada, expires_in: 40 });
  Date.now = () => realNow() + 31_000;
  await changed.promise;
  t.equal((await client.api.account.getProfile()).data.id, ada.user.id);
  await until(() => proxy.count(REFRESH) === 1);
  release.resolve();
  await until(() => client.session.current()?.token !== ada.token);
});

test('a lost answer of a refresh does not end the session', async (t) => {
  const fleet = await shareFleet();
  const proxy = await startFaultProxy(t, {
    target: fleet.url,
    fault: ({ route }, nth) => (route === REFRESH && nth === 1 ? { loseAnswer: true } : undefined),
  });
  const ada = await fleet.signUp();
  const client = createClient({ url: proxy.url, session: tokensOf(ada, Date.now() - 1) });
  t.equal((await client.api.account.getProfile()).data.id, ada.user.id);
  const keys = proxy.seen
    .filter(({ route }) => route === REFRESH)
    .map(({ headers }) => headers['idempotency-key']);
  t.equal(keys.length, 2);
  t.equal(keys[0], keys[1], 'both attempts are one action');
  t.equal(await refreshEvents(fleet, client.session.current()?.token ?? '', 1), 1);
});

test('while the old token lives, a failed refresh fails nobody', async (t) => {
  const fleet = await shareFleet();
  const proxy = await startFaultProxy(t, {
    target: fleet.url,
    fault: ({ route }) =>
      route === REFRESH ? { status: 503, headers: { 'retry-after': '3600' } } : undefined,
  });
  const ada = await fleet.signUp();
  const client = createClient({ url: proxy.url });
  const realNow = Date.now;
  t.teardown(() => (Date.now = realNow));
  client.session.adopt({ ...ada, expires_in: 40 });
  Date.now = () => realNow() + 37_000;
  for (let call = 0; call < 3; call += 1)
    t.equal((await client.api.account.getProfile()).data.id, ada.user.id);
  t.equal(proxy.count(REFRESH), 1, 'it is not tried again at each call');
  t.equal(client.session.current()?.token, ada.token);
});

test('a refused refresh token ends the session', async (t) => {
  const fleet = await shareFleet();
  const ada = await fleet.signUp();
  const stored: (SessionTokens | undefined)[] = [];
  const client = createClient({
    url: fleet.url,
    session: tokensOf({ ...ada, refresh_token: 'mrt_spent' }, Date.now() - 1),
    onSession: (tokens) => stored.push(tokens),
  });
  const error = await client.api.account.getProfile().catch((reason: unknown) => reason);
  t.ok(isProblem(error, 'refresh_token_invalid'));
  t.same(stored, [undefined]);
  t.equal(client.session.current(), undefined);
});

test('sign-up, change of password and logout keep the client signed in and out', async (t) => {
  const fleet = await shareFleet();
  const client = createClient({ url: fleet.url });
  const email = `client-${process.pid}-${Date.now()}@example.com`;
  const { data } = await client.signUp({ email, password: PASSWORD });
  t.equal(data.user.email, email);
  await client.changePassword({ current_password: PASSWORD, new_password: 'another good one' });
  t.equal((await client.api.account.getProfile()).data.id, data.user.id);
  await client.logOut();
  t.equal(client.session.current(), undefined);
  await t.rejects(client.api.account.getProfile(), { code: 'unauthenticated', status: 401 });
  await client.logIn({ email, password: 'another good one' });
  t.equal((await client.api.account.getProfile()).data.id, data.user.id);
});

test('a logout whose answer is lost is a logout', async (t) => {
  const fleet = await shareFleet();
  const proxy = await startFaultProxy(t, {
    target: fleet.url,
    fault: ({ route }, nth) =>
      route === 'POST /api/auth/logout' && nth === 1 ? { loseAnswer: true } : undefined,
  });
  const ada = await fleet.signUp();
  const client = createClient({ url: proxy.url, session: tokensOf(ada, Date.now() + 900_000) });
  await client.logOut();
  t.equal(client.session.current(), undefined);
  t.equal((await fleet.call('GET', '/api/users/me', { token: ada.token })).status, 401);
});
