import { randomUUID } from 'node:crypto';
import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { startAuditStore } from '../audit-store.ts';
import { build, type Caller, type LogEntry, type TestServer } from '../build.ts';

type Running = TestServer & { admin: Caller };

/** With all its loops: relays, consumer, sealer. */
async function running(t: Test, settings: Record<string, string> = {}): Promise<Running> {
  const parts = await build(t, settings);
  await parts.server.http.app.listen({ host: '127.0.0.1', port: 0 });
  return { ...parts, admin: await parts.signIn('admin') };
}

const post = ({ server }: TestServer, { token }: Caller, url: string, payload: object) =>
  server.http.app.inject({
    method: 'POST',
    url: `/api/audit/${url}`,
    payload,
    headers: { authorization: `Bearer ${token}` },
  });

async function record({ admin, ...parts }: Running, events: object[]): Promise<string[]> {
  const answer = await post(parts, admin, 'events', { events });
  if (answer.statusCode !== 201) throw new Error(answer.body);
  return answer.json<{ data: { event_id: string }[] }>().data.map(({ event_id }) => event_id);
}

async function viewerOf({ admin, ...parts }: Running, tenant_id: string): Promise<Caller> {
  const answer = await post(parts, admin, 'viewer-tokens', { tenant_id });
  return { id: '', token: answer.json<{ token: string }>().token };
}

const sealed = ({ superuser }: TestServer, ids: readonly string[]): Promise<boolean> =>
  until(
    async () =>
      (await superuser.query('select from audit.sealed where event_id = any($1::uuid[])', [ids]))
        .rowCount === ids.length,
  );
const listed = async (parts: TestServer, caller: Caller, query = ''): Promise<LogEntry[]> => {
  const answer = await parts.get(`/api/audit/logs?${query}`, caller);
  if (answer.statusCode !== 200) throw new Error(answer.body);
  return answer.json<LogEntry[]>();
};
/** The entries of an export, as far as it shows any. */
const exported = async (
  parts: TestServer,
  caller: Caller,
  query = '',
): Promise<{ event: { id: string }; personal: { values: string } | null }[]> => {
  const answer = await parts.get(`/api/audit/export?${query}`, caller);
  if (answer.statusCode !== 200) throw new Error(answer.body);
  return answer.body
    .split('\n')
    .filter((line) => line.startsWith('{"event":'))
    .map((line) => JSON.parse(line));
};
const signedSize = async (parts: TestServer, caller: Caller): Promise<number> =>
  Number((await parts.get('/api/audit/checkpoint', caller)).body.split('\n')[1]);
const event = (id: string, more: object = {}): object => ({
  id,
  tenant_id: 'acme',
  action: 'document.signed',
  actor: { id: `user-of-${id}`, name: 'Ada Lovelace', email: 'ada@customer.example' },
  personal: { ip: '192.0.2.44', iban: 'DE00 1234' },
  ...more,
});

test("a tenant's events are read by its viewers only, with personal values", async (t) => {
  const parts = await running(t);
  const ids = await record(parts, [
    event('e1'),
    event('e2', { outcome: 'failure', actor: null, personal: {} }),
    event('e3', { tenant_id: 'other' }),
  ]);
  await sealed(parts, ids);
  const [acme, other, nobody] = (await Promise.all(
    ['acme', 'other', 'empty'].map((tenant) => viewerOf(parts, tenant)),
  )) as [Caller, Caller, Caller];
  const entries = await listed(parts, acme);
  t.strictSame(
    entries.map(({ id }) => id),
    [ids[1], ids[0]],
    'newest first',
  );
  t.match(entries[1], {
    source: 'app',
    tenant_id: 'acme',
    action: 'DOCUMENT_SIGNED',
    user_id: null,
    email: 'ada@customer.example',
    ip: '192.0.2.44',
    metadata: {
      actor_name: 'Ada Lovelace',
      iban: 'DE00 1234',
      event: { id: 'e1', action: 'document.signed', actor: { id: 'user-of-e1' } },
    },
  });
  t.match(entries[0], { outcome: 'failure', email: null, ip: null });
  t.strictSame(
    (await listed(parts, other)).map(({ id }) => id),
    [ids[2]],
  );
  t.strictSame(await listed(parts, nobody), []);

  const next = String((await parts.get('/api/audit/logs?limit=1', acme)).headers.link).replace(
    /^<[^?]*\?(.*)>.*$/,
    '$1',
  );
  t.strictSame(
    (await listed(parts, await viewerOf(parts, 'acme'), next)).map(({ id }) => id),
    [ids[0]],
    "a walk goes on with the tenant's next token",
  );
  t.match((await parts.get(`/api/audit/logs?${next}`, other)).json(), {
    status: 400,
    code: 'cursor_invalid',
  });

  t.equal((await parts.get(`/api/audit/logs/${ids[0]}`, acme)).statusCode, 200);
  const { request_id: _one, ...foreign } = (
    await parts.get(`/api/audit/logs/${ids[0]}`, other)
  ).json<{ request_id: string }>();
  const { request_id: _other, ...absent } = (
    await parts.get(`/api/audit/logs/${randomUUID()}`, other)
  ).json<{ request_id: string }>();
  t.strictSame(foreign, absent, "another tenant's answers as an absent one");
  t.match(foreign, { status: 404, code: 'audit_log_not_found' });
});

test("no filter leads a viewer out of its tenant, nor to our own services' events", async (t) => {
  const parts = await running(t, { ...(await startAuditStore(t)), AUDIT_CHECKPOINT_MS: '50' });
  const ids = await record(parts, [
    event('e1'),
    event('e2', { tenant_id: 'other', resource: 'contract/1' }),
  ]);
  const acme = await viewerOf(parts, 'acme');
  await sealed(parts, ids);
  // The making of the viewer token is an event with the tenant's name, of the source audit.
  await until(
    async () =>
      (
        await parts.superuser.query(
          `select from audit.events e join audit.sealed s on s.event_id = e.id
          where action = 'VIEWER_TOKEN_CREATED'`,
        )
      ).rowCount === 1,
  );
  const outside = [
    'tenant_id=other',
    'tenant_id=other&source=app',
    'source=audit',
    'tenant_id=acme&source=audit',
    `actor=${parts.admin.id}`,
    'action=VIEWER_TOKEN_CREATED',
    'action=VIEWER*',
    'resource=contract%2F1',
    'tenant_id=other&order=log',
  ];
  for (const query of outside) t.strictSame(await listed(parts, acme, query), [], query);
  for (const query of [
    'scope=own',
    'order=log',
    'source=app',
    'action=DOCUMENT_SIGNED',
    'action=DOCUMENT*',
    'tenant_id=acme',
    'ip=192.0.2.44',
    'email=ada%40customer.example',
    'from=2020-01-01T00:00:00Z',
  ]) {
    t.strictSame(
      (await listed(parts, acme, query)).map(({ id }) => id),
      [ids[0]],
      query,
    );
  }
  await until(async () => (await signedSize(parts, acme)) >= 3);
  for (const query of outside.filter((one) => !one.includes('order=')))
    t.strictSame(await exported(parts, acme, query), [], `export ${query}`);
  for (const query of [
    '',
    'scope=own',
    'source=app',
    'tenant_id=acme',
    'email=ada%40customer.example',
  ]) {
    const rows = await exported(parts, acme, query);
    t.strictSame(
      rows.map(({ event: { id } }) => id),
      [ids[0]],
      `export ${query}`,
    );
    t.match(
      rows[0]?.personal?.values,
      /ada@customer\.example/,
      "with its tenant's personal values",
    );
  }
  for (const format of ['csv', 'cloudevents', 'ocsf']) {
    const { body } = await parts.get(`/api/audit/export?format=${format}`, acme);
    t.match(body, ids[0] ?? '', format);
    t.notMatch(body, new RegExp(`${ids[1]}|VIEWER_TOKEN_CREATED`), format);
  }
  t.strictSame(
    await listed(parts, await parts.signIn('customer')),
    [],
    "nor does a customer's own user see them",
  );
});

test("after a subject's erasure its events stay provable, without personal values", async (t) => {
  const parts = await running(t);
  const ids = await record(parts, [
    event('e1', { actor: { id: 'u1', email: 'ada@customer.example' } }),
    event('e2', { actor: { id: 'u2', email: 'bob@customer.example' } }),
  ]);
  await sealed(parts, ids);
  const acme = await viewerOf(parts, 'acme');
  t.strictSame((await listed(parts, acme, 'email=ada%40customer.example')).length, 1);
  const { subject } = (
    await parts.superuser.query<{ subject: string }>(
      'select subject from audit.events where id = $1',
      [ids[0]],
    )
  ).rows[0] ?? { subject: '' };
  // As `POST /api/audit/erasures` does when the journal is within reach; its own test has one.
  await parts.superuser.query('select keys.erase_subject($1)', [subject]);
  await parts.superuser.query('select audit.delete_search_terms($1)', [subject]);
  await until(async () => (await listed(parts, acme)).some(({ email }) => email === null));
  t.match(await listed(parts, acme), [
    { email: 'bob@customer.example', ip: '192.0.2.44' },
    { email: null, ip: null, metadata: { iban: undefined, event: { actor: { id: 'u1' } } } },
  ]);
  t.strictSame(await listed(parts, acme, 'email=ada%40customer.example'), []);
});

test('a browser with a viewer token reads from an allowed origin', async (t) => {
  const parts = await running(t, { CORS_ORIGINS: 'https://app.customer.example' });
  const { token } = await viewerOf(parts, 'acme');
  const ask = (origin: string, method: 'GET' | 'OPTIONS') =>
    parts.server.http.app.inject({
      method,
      url: '/api/audit/logs',
      headers: {
        origin,
        ...(method === 'GET'
          ? { authorization: `Bearer ${token}` }
          : {
              'access-control-request-method': 'GET',
              'access-control-request-headers': 'authorization',
            }),
      },
    });
  const preflight = await ask('https://app.customer.example', 'OPTIONS');
  t.equal(preflight.statusCode, 204);
  t.match(preflight.headers, {
    'access-control-allow-origin': 'https://app.customer.example',
    'access-control-allow-headers': /authorization/i,
  });
  const read = await ask('https://app.customer.example', 'GET');
  t.equal(read.statusCode, 200);
  t.match(read.headers, {
    'access-control-allow-origin': 'https://app.customer.example',
    'access-control-expose-headers': /Link/,
  });
  t.equal(
    (await ask('https://evil.example', 'GET')).headers['access-control-allow-origin'],
    undefined,
  );
});
