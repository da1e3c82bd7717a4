import { test } from 'tap';
import { until } from '@muniment/testing';
import {
  createClient,
  isProblem,
  NoAnswer,
  type Client,
  type ClientOptions,
} from '../../../packages/api-client/src/index.ts';
import { PASSWORD, shareFleet, type Fleet } from '../fleet.ts';
import { startFaultProxy, type ChooseFault, type FaultProxy } from './fault-proxy.ts';

const PROFILE = 'GET /api/users/me';
const TOKENS = 'POST /api/auth/tokens';

interface Parts {
  fleet: Fleet;
  proxy: FaultProxy;
  client: Client;
}

/** A signed-in client behind a proxy with faults. */
async function build(
  t: Parameters<typeof startFaultProxy>[0],
  fault: ChooseFault,
  options: Partial<ClientOptions> = {},
): Promise<Parts> {
  const fleet = await shareFleet();
  const proxy = await startFaultProxy(t, { target: fleet.url, fault });
  const client = createClient({ url: proxy.url, ...options });
  client.session.adopt({ ...(await fleet.signUp()), expires_in: 900 });
  return { fleet, proxy, client };
}

const problem = (status: number, code: string): { status: number; body: string } => ({
  status,
  body: JSON.stringify({ code, status, title: code, detail: 'A fault.', request_id: 'r' }),
});

test('after a 503 with Retry-After the request comes again, and not earlier', async (t) => {
  const { proxy, client } = await build(t, ({ route }, nth) =>
    route === PROFILE && nth === 1
      ? { ...problem(503, 'overloaded'), headers: { 'retry-after': '1' } }
      : undefined,
  );
  t.equal((await client.api.account.getProfile()).status, 200);
  const [first, second] = proxy.seen.filter(({ route }) => route === PROFILE);
  t.ok((second?.at ?? 0) - (first?.at ?? 0) >= 999, 'the wanted second has passed');
});

test('callers that were told the same second come back at different moments', async (t) => {
  const callers = 20;
  const { proxy, client } = await build(t, ({ route }, nth) =>
    route === PROFILE && nth <= callers
      ? { ...problem(429, 'rate_limited'), headers: { 'retry-after': '1' } }
      : undefined,
  );
  await Promise.all(Array.from({ length: callers }, () => client.api.account.getProfile()));
  const again = proxy.seen.filter(({ route }) => route === PROFILE).slice(callers);
  const times = again.map(({ at }) => at);
  t.equal(times.length, callers);
  t.ok(Math.max(...times) - Math.min(...times) > 120, 'spread over a quarter of the pause');
});

test('a request that stays refused is made four times', async (t) => {
  const { proxy, client } = await build(
    t,
    ({ route }) => (route === PROFILE ? problem(503, 'overloaded') : undefined),
    { retry: { baseDelayMs: 5 } },
  );
  const error = await client.api.account.getProfile().catch((reason: unknown) => reason);
  t.ok(isProblem(error, 'overloaded'));
  t.equal(proxy.count(PROFILE), 4);
});

test('a Retry-After past the bound is the caller’s to decide', async (t) => {
  const { proxy, client } = await build(t, ({ route }) =>
    route === PROFILE
      ? { ...problem(429, 'rate_limited'), headers: { 'retry-after': '3600' } }
      : undefined,
  );
  await t.rejects(client.api.account.getProfile(), {
    code: 'rate_limited',
    retryAfterMs: 3_600_000,
  });
  t.equal(proxy.count(PROFILE), 1);
});

test('a POST whose answer was lost takes effect once', async (t) => {
  const { proxy, client } = await build(t, ({ route }, nth) =>
    route === TOKENS && nth === 1 ? { loseAnswer: true } : undefined,
  );
  const { data } = await client.api.apiTokens.createApiToken({
    body: { name: 'once', scopes: ['profile:read'] },
  });
  t.equal(proxy.count(TOKENS), 2);
  const { data: page } = await client.api.apiTokens.listApiTokens();
  t.same(
    page.data.map(({ id }) => id),
    [data.id],
  );
});

test('a sign-up whose answer was lost is a sign-up, not a taken address', async (t) => {
  const { client } = await build(t, ({ route }, nth) =>
    route === 'POST /api/users/register' && nth === 1 ? { loseAnswer: true } : undefined,
  );
  const email = `lost-${process.pid}-${Date.now()}@example.com`;
  const { data } = await client.signUp({ email, password: PASSWORD });
  t.equal((await client.api.account.getProfile()).data.id, data.user.id);
});

test('a POST that is still being worked on under its key is awaited', async (t) => {
  const { proxy, client } = await build(t, ({ route }, nth) =>
    route === TOKENS && nth === 1
      ? { ...problem(409, 'idempotency_in_progress'), headers: { 'retry-after': '1' } }
      : undefined,
  );
  const body = { name: 'slow', scopes: ['profile:read'] };
  t.equal((await client.api.apiTokens.createApiToken({ body })).status, 201);
  t.equal(proxy.count(TOKENS), 2);
});

test('a PATCH whose answer was lost is not made again', async (t) => {
  const { proxy, client } = await build(t, ({ route }) =>
    route === 'PATCH /api/users/me' ? { loseAnswer: true } : undefined,
  );
  const error = await client.api.account
    .updateProfile({ body: { name: 'Ada' } })
    .catch((reason: unknown) => reason);
  t.ok(error instanceof NoAnswer);
  t.equal(proxy.count('PATCH /api/users/me'), 1);
});

test('a refusal is not repeated', async (t) => {
  const { proxy, client } = await build(t, () => undefined);
  const error = await client.api.files
    .deleteFile({ path: { id: '0198c5f3-0a11-7e2f-a6c7-5b9d1f3e8c44' } })
    .catch((reason: unknown) => reason);
  t.ok(isProblem(error, 'file_not_found'));
  t.match(error, { status: 404, requestId: /./, message: /./ });
  t.equal(proxy.seen.length, 1);
});

test('faults of fields have their pointers', async (t) => {
  const { client } = await build(t, () => undefined);
  const error = await client.api.apiTokens
    .createApiToken({ body: { name: 7 as unknown as string, scopes: [] } })
    .catch((reason: unknown) => reason);
  t.ok(isProblem(error, 'validation_failed'));
  t.match(error, { errors: [{ pointer: /name/, message: /./ }] });
});

test('a body that is cut off is read again', async (t) => {
  const { proxy, client } = await build(t, ({ route }, nth) =>
    route === PROFILE && nth === 1 ? { cutAfterBytes: 20 } : undefined,
  );
  t.match((await client.api.account.getProfile()).data.email, '@');
  t.equal(proxy.count(PROFILE), 2);
});

test('an attempt without an answer ends, and the next is made', async (t) => {
  const { proxy, client } = await build(
    t,
    ({ route }, nth) => (route === PROFILE && nth === 1 ? { hang: true } : undefined),
    { timeoutMs: 2_000 },
  );
  t.equal((await client.api.account.getProfile()).status, 200);
  t.equal(proxy.count(PROFILE), 2);
});

test('an aborted call ends at once, in its pause too', async (t) => {
  const { proxy, client } = await build(t, ({ route }) =>
    route === PROFILE
      ? { ...problem(503, 'overloaded'), headers: { 'retry-after': '20' } }
      : undefined,
  );
  const controller = new AbortController();
  const call = client.api.account.getProfile({ signal: controller.signal });
  await until(() => proxy.count(PROFILE) === 1);
  const abortedAt = performance.now();
  controller.abort(new Error('no longer wanted'));
  await t.rejects(call, { message: 'no longer wanted' });
  t.ok(performance.now() - abortedAt < 5_000);
  await t.rejects(client.api.account.getProfile({ signal: controller.signal }), {
    message: 'no longer wanted',
  });
  t.equal(proxy.count(PROFILE), 1, 'nothing was sent after it');
});

test('an aborted call ends its request on the wire', async (t) => {
  const { proxy, client } = await build(t, ({ route }) =>
    route === PROFILE ? { hang: true } : undefined,
  );
  const controller = new AbortController();
  const call = client.api.account.getProfile({ signal: controller.signal });
  await until(() => proxy.count(PROFILE) === 1);
  controller.abort();
  await t.rejects(call, { name: 'AbortError' });
});

test('a value that would name another resource is refused before any request', async (t) => {
  const { proxy, client } = await build(t, () => undefined);
  for (const id of ['..', '.', ''])
    await t.rejects(client.api.files.getFileMetadata({ path: { id } }), TypeError, id);
  const error = await client.api.files
    .getFileMetadata({ path: { id: '../../users/me' } })
    .catch((reason: unknown) => reason);
  t.ok(isProblem(error));
  t.ok(proxy.seen.every(({ route }) => route !== PROFILE));
});
