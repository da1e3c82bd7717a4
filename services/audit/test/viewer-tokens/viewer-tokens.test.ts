import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { build, type Caller, type TestServer } from '../build.ts';

interface Made {
  id: string;
  token: string;
  tenant_id: string;
  expires_at: string;
}

const call = (
  { server }: TestServer,
  caller: Caller | undefined,
  method: 'POST' | 'DELETE' | 'GET',
  url: string,
  payload?: object,
) =>
  server.app.inject({
    method,
    url,
    ...(caller && { headers: { authorization: `Bearer ${caller.token}` } }),
    ...(payload && { payload }),
  });
const make = async (parts: TestServer, caller: Caller, payload: object): Promise<Made> =>
  (await call(parts, caller, 'POST', '/api/audit/viewer-tokens', payload)).json<Made>();
const viewer = ({ token }: Made): Caller => ({ id: '', token });
const reads = async (parts: TestServer, made: Made): Promise<number> =>
  (await parts.get('/api/audit/logs', viewer(made))).statusCode;

test('a token is made with its end and its event, shown once and kept as a hash', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const answer = await call(parts, admin, 'POST', '/api/audit/viewer-tokens', {
    tenant_id: 'acme',
    expires_in: 3_600,
  });
  t.equal(answer.statusCode, 201, answer.body);
  const made = answer.json<Made>();
  t.match(made, {
    id: /^[0-9a-f-]{36}$/,
    tenant_id: 'acme',
    created_by: admin.id,
    token: /^mav_[\w-]{43}$/,
  });
  t.ok(Math.abs(Date.parse(made.expires_at) - Date.now() - 3_600_000) < 10_000);
  const byDefault = await make(parts, admin, { tenant_id: 'acme' });
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
    resource: made.id,
    resource_type: 'viewer_token',
    metadata: { expires_at: made.expires_at },
  });
  t.notMatch(JSON.stringify(events), made.token);

  const list = await call(parts, admin, 'GET', '/api/audit/viewer-tokens');
  t.notMatch(list.body, /mav_|hash/);
  t.match(list.json(), {
    data: [{ id: byDefault.id }, { id: made.id, tenant_id: 'acme' }],
    next_cursor: null,
  });
});

test('tokens that count are listed by tenant, page by page', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  for (const tenant_id of ['a', 'b', 'a', 'a', 'a']) await make(parts, admin, { tenant_id });
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: { data: Made[]; next_cursor: string | null } = (
      await call(
        parts,
        admin,
        'GET',
        `/api/audit/viewer-tokens?tenant_id=a&limit=3${cursor && `&cursor=${cursor}`}`,
      )
    ).json();
    seen.push(...page.data.map(({ tenant_id }) => tenant_id));
    cursor = page.next_cursor;
  }
  t.strictSame(seen, ['a', 'a', 'a', 'a']);
});

test('a token reads, until it is revoked: then it is refused at once', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const made = await make(parts, admin, { tenant_id: 'acme' });
  t.equal(await reads(parts, made), 200);
  t.equal(
    (await call(parts, admin, 'DELETE', `/api/audit/viewer-tokens/${made.id}`)).statusCode,
    204,
  );
  t.equal(await reads(parts, made), 401);
  for (const id of [made.id, randomUUID()])
    t.match((await call(parts, admin, 'DELETE', `/api/audit/viewer-tokens/${id}`)).json(), {
      status: 404,
      code: 'viewer_token_not_found',
    });
  t.match((await call(parts, admin, 'GET', '/api/audit/viewer-tokens')).json(), { data: [] });
  const { rows } = await parts.superuser.query<{ head: string }>(
    `select head from audit.outbox where head like '%VIEWER_TOKEN_REVOKED%'`,
  );
  t.equal(rows.length, 1);
});

test("a token ends with its time, and with its maker's deletion, suspension and loss of the role", async (t) => {
  const parts = await build(t);
  const sets: Record<string, (id: string, made: Made) => [string, unknown[]]> = {
    expired: (_, { id }) => [
      'update audit.viewer_tokens set expires_at = now() where id = $1',
      [id],
    ],
    suspended: (id) => ["update identity.users set status = 'suspended' where id = $1", [id]],
    demoted: (id) => ["update identity.users set type = 'vendor' where id = $1", [id]],
    deleted: (id) => ['delete from identity.users where id = $1', [id]],
  };
  for (const [name, set] of Object.entries(sets)) {
    const admin = await parts.signIn('admin');
    const made = await make(parts, admin, { tenant_id: 'acme' });
    t.equal(await reads(parts, made), 200, name);
    await parts.superuser.query(...set(admin.id, made));
    t.equal(await reads(parts, made), 401, name);
  }
});

test('who may not is refused, and what makes no sense is a 400', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  for (const caller of [
    undefined,
    await parts.signIn('customer'),
    viewer(await make(parts, admin, { tenant_id: 'acme' })),
  ]) {
    for (const [method, url] of [
      ['POST', ''],
      ['GET', ''],
      ['DELETE', `/${randomUUID()}`],
    ] as const) {
      t.equal(
        (
          await call(
            parts,
            caller,
            method,
            `/api/audit/viewer-tokens${url}`,
            method === 'POST' ? { tenant_id: 'acme' } : undefined,
          )
        ).statusCode,
        caller ? 403 : 401,
      );
    }
  }
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
    t.match((await call(parts, admin, 'POST', '/api/audit/viewer-tokens', payload)).json(), {
      status: 400,
      code: 'validation_failed',
    });
  }
  t.equal((await call(parts, admin, 'DELETE', '/api/audit/viewer-tokens/x')).statusCode, 400);
  t.equal((await call(parts, admin, 'GET', '/api/audit/viewer-tokens?cursor=x')).statusCode, 400);
});
