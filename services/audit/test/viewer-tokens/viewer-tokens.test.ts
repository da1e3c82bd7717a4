import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { build, type Caller, type TestServer } from '../build.ts';
import { storeSealed } from '../live/sealed.ts';

interface CreatedToken {
  id: string;
  token: string;
  tenant_id: string;
  expires_at: string;
}

interface Call {
  method: 'POST' | 'DELETE' | 'GET';
  path?: string;
  payload?: object;
}

const call = (
  { server }: TestServer,
  caller: Caller | undefined,
  { method, path = '', payload }: Call,
) =>
  server.http.app.inject({
    method,
    url: `/api/audit/viewer-tokens${path}`,
    ...(caller && { headers: { authorization: `Bearer ${caller.token}` } }),
    ...(payload && { payload }),
  });

async function createToken(
  parts: TestServer,
  caller: Caller,
  payload: object,
): Promise<CreatedToken> {
  return (await call(parts, caller, { method: 'POST', payload })).json<CreatedToken>();
}

const viewerOf = ({ token }: CreatedToken): Caller => ({ id: '', token });

async function readLogs(parts: TestServer, created: CreatedToken): Promise<number> {
  return (await parts.get('/api/audit/logs', viewerOf(created))).statusCode;
}

test('a token is created with expiry and event, shown once and stored as a hash', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const payload = { tenant_id: 'acme', expires_in: 3_600 };
  const answer = await call(parts, admin, { method: 'POST', payload });
  t.equal(answer.statusCode, 201, answer.body);
  const created = answer.json<CreatedToken>();
  t.match(created, {
    id: /^[0-9a-f-]{36}$/,
    tenant_id: 'acme',
    created_by: admin.id,
    token: /^mav_[\w-]{43}$/,
  });
  t.ok(Math.abs(Date.parse(created.expires_at) - Date.now() - 3_600_000) < 10_000);
  const byDefault = await createToken(parts, admin, { tenant_id: 'acme' });
  t.ok(Math.abs(Date.parse(byDefault.expires_at) - Date.now() - 900_000) < 10_000);
  const { rows } = await parts.superuser.query<{ row: string }>(
    'select t::text as row from audit.viewer_tokens t',
  );
  for (const { row } of rows) t.notMatch(row, /mav_/);
  const { rows: events } = await parts.superuser.query<{ head: string; tail: string }>(
    'select head, tail from audit.outbox order by position',
  );
  t.match(events.map(({ head, tail }) => JSON.parse(`${head},${tail}`) as object)[0], {
    action: 'VIEWER_TOKEN_CREATED',
    user_id: admin.id,
    tenant_id: 'acme',
    resource: created.id,
    resource_type: 'viewer_token',
    metadata: { expires_at: created.expires_at },
  });
  t.notMatch(JSON.stringify(events), created.token);

  const list = await call(parts, admin, { method: 'GET' });
  t.notMatch(list.body, /mav_|hash/);
  t.match(list.json(), {
    data: [{ id: byDefault.id }, { id: created.id, tenant_id: 'acme' }],
    next_cursor: null,
  });
});

test('valid tokens are listed by tenant, page by page', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  for (const tenant_id of ['a', 'b', 'a', 'a', 'a']) await createToken(parts, admin, { tenant_id });
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const path = `?tenant_id=a&limit=3${cursor && `&cursor=${cursor}`}`;
    const page: { data: CreatedToken[]; next_cursor: string | null } = (
      await call(parts, admin, { method: 'GET', path })
    ).json();
    seen.push(...page.data.map(({ tenant_id }) => tenant_id));
    cursor = page.next_cursor;
  }
  t.strictSame(seen, ['a', 'a', 'a', 'a']);
});

test('a token reads until it is revoked, and is refused at once afterwards', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const created = await createToken(parts, admin, { tenant_id: 'acme' });
  const revoke = (id: string) => call(parts, admin, { method: 'DELETE', path: `/${id}` });
  t.equal(await readLogs(parts, created), 200);
  t.equal((await revoke(created.id)).statusCode, 204);
  t.equal(await readLogs(parts, created), 401);
  for (const id of [created.id, randomUUID()])
    t.match((await revoke(id)).json(), { status: 404, code: 'viewer_token_not_found' });
  t.match((await call(parts, admin, { method: 'GET' })).json(), { data: [] });
  const { rows } = await parts.superuser.query<{ head: string }>(
    `select head from audit.outbox where head like '%VIEWER_TOKEN_REVOKED%'`,
  );
  t.equal(rows.length, 1);
});

test("a token reads the events of its tenant's application alone", async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  await storeSealed(parts.db, [
    { source: 'app', tenant_id: 'acme', action: 'ORDER_PAID' },
    { source: 'app', tenant_id: 'other', action: 'ORDER_LOST' },
    { source: 'audit', tenant_id: 'acme', action: 'VIEWER_TOKEN_CREATED' },
  ]);
  const viewer = viewerOf(await createToken(parts, admin, { tenant_id: 'acme' }));
  for (const query of ['', '&order=log', '&action=ORDER_PAID']) {
    const answer = await parts.get(`/api/audit/logs?limit=10${query}`, viewer);
    const actions = answer.json<{ action: string }[]>().map(({ action }) => action);
    t.strictSame(actions, ['ORDER_PAID'], query);
  }
});

test("a token ends with its time, or its creator's account or role", async (t) => {
  const parts = await build(t);
  const statements: Record<string, (id: string, created: CreatedToken) => [string, unknown[]]> = {
    expired: (_, { id }) => [
      'update audit.viewer_tokens set expires_at = now() where id = $1',
      [id],
    ],
    suspended: (id) => ["update identity.users set status = 'suspended' where id = $1", [id]],
    demoted: (id) => ["update identity.users set type = 'vendor' where id = $1", [id]],
    deleted: (id) => ['delete from identity.users where id = $1', [id]],
  };
  for (const [name, statement] of Object.entries(statements)) {
    const admin = await parts.signIn('admin');
    const created = await createToken(parts, admin, { tenant_id: 'acme' });
    t.equal(await readLogs(parts, created), 200, name);
    await parts.superuser.query(...statement(admin.id, created));
    t.equal(await readLogs(parts, created), 401, name);
  }
});

test('callers without the permission get a 401 or a 403', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const viewer = viewerOf(await createToken(parts, admin, { tenant_id: 'acme' }));
  for (const caller of [undefined, await parts.signIn('customer'), viewer]) {
    for (const request of [
      { method: 'POST', payload: { tenant_id: 'acme' } },
      { method: 'GET' },
      { method: 'DELETE', path: `/${randomUUID()}` },
    ] as const)
      t.equal((await call(parts, caller, request)).statusCode, caller ? 403 : 401);
  }
});

test('malformed requests get a 400', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  for (const payload of [
    {},
    { tenant_id: '' },
    { tenant_id: 7 },
    { tenant_id: 'a', expires_in: 59 },
    { tenant_id: 'a', expires_in: 86_401 },
    { tenant_id: 'a', expires_in: '900' },
    { tenant_id: 'a', more: 1 },
    { tenant_id: 'x'.repeat(201) },
  ]) {
    t.match((await call(parts, admin, { method: 'POST', payload })).json(), {
      status: 400,
      code: 'validation_failed',
    });
  }
  const statusOf = async (method: 'DELETE' | 'GET', path: string): Promise<number> =>
    (await call(parts, admin, { method, path })).statusCode;
  t.equal(await statusOf('DELETE', '/x'), 400);
  t.equal(await statusOf('GET', '?cursor=x'), 400);
  t.equal(await statusOf('GET', '?unknown=1'), 400);
});
