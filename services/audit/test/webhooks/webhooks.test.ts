import { randomUUID } from 'node:crypto';
import type { LightMyRequestResponse } from 'fastify';
import { Webhook } from 'standardwebhooks';
import { test } from 'tap';
import { SCRAPE, until } from '@muniment/testing';
import { build, eventsOf, type Caller, type TestServer } from '../build.ts';
import { storeSealed } from '../live/sealed.ts';
import { startReceiver } from './delivery/receiver.ts';

interface Resource {
  id: string;
  url: string;
  secret: string;
  enabled: boolean;
  position: number;
}

const caller =
  (parts: TestServer, who: Caller) =>
  (
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<LightMyRequestResponse> =>
    parts.server.http.app.inject({
      method,
      url: `/api/audit/webhooks${path}`,
      headers: { authorization: `Bearer ${who.token}` },
      ...(body && { payload: body }),
    });

const recorded = async (parts: TestServer) =>
  (
    await parts.superuser.query<{ text: string }>(
      `select head || ',' || tail as text from audit.outbox order by position`,
    )
  ).rows.map(
    ({ text }) => JSON.parse(text) as { action: string; resource: string; metadata: object },
  );

test('a webhook is shown without its secret, and each change is an event', async (t) => {
  const parts = await build(t, { WEBHOOK_ALLOW: '127.0.0.1:9999' });
  const call = caller(parts, await parts.signIn('admin'));
  await storeSealed(parts.db, [{}, {}]);
  const made = await call('POST', '', {
    url: 'http://127.0.0.1:9999/hook?token=s3cret',
    actions: ['FILE_*'],
    tenant_id: 'acme',
  });
  t.equal(made.statusCode, 201, made.body);
  const { secret, ...resource } = made.json<Resource>();
  t.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
  t.match(resource, {
    url: 'http://127.0.0.1:9999/hook?token=s3cret',
    description: null,
    actions: ['FILE_*'],
    tenant_id: 'acme',
    include_personal: false,
    enabled: true,
    disabled_reason: null,
    position: 1,
    failures: 0,
  });
  t.equal(made.headers.location, `/api/audit/webhooks/${resource.id}`);
  t.same((await call('GET', `/${resource.id}`)).json(), resource);
  t.same((await call('GET', '')).json(), { data: [resource], next_cursor: null });
  const changed = await call('PATCH', `/${resource.id}`, {
    enabled: false,
    description: 'ours',
    actions: [],
  });
  t.match(changed.json(), {
    enabled: false,
    description: 'ours',
    actions: [],
    tenant_id: 'acme',
    position: 1,
  });
  const rotated = await call('POST', `/${resource.id}/secret`);
  t.equal(rotated.statusCode, 200, rotated.body);
  t.not(rotated.json<{ secret: string }>().secret, secret);
  t.equal((await call('DELETE', `/${resource.id}`)).statusCode, 204);
  t.match((await call('GET', `/${resource.id}`)).json(), {
    status: 404,
    code: 'webhook_not_found',
  });
  const events = await recorded(parts);
  t.match(events, [
    {
      action: 'WEBHOOK_CREATED',
      resource: resource.id,
      metadata: { actions: ['FILE_*'], include_personal: false, enabled: true },
    },
    { action: 'WEBHOOK_UPDATED', metadata: { fields: ['actions', 'description', 'enabled'] } },
    { action: 'WEBHOOK_UPDATED', metadata: { fields: ['secret'] } },
    { action: 'WEBHOOK_DELETED' },
  ]);
  t.notMatch(JSON.stringify(events), /s3cret|whsec/);
  t.notMatch(JSON.stringify(events), /127\.0\.0\.1|acme/, 'what was typed is personal');
  const { rows } = await parts.superuser.query('select 1 from audit.webhooks');
  t.equal(rows.length, 0);
});

test('a stored secret is wrapped, and opens for its own webhook only', async (t) => {
  const parts = await build(t, { WEBHOOK_ALLOW: '127.0.0.1:9999' });
  const call = caller(parts, await parts.signIn('admin'));
  const { id, secret } = (
    await call('POST', '', { url: 'http://127.0.0.1:9999/' })
  ).json<Resource>();
  const {
    rows: [row],
  } = await parts.superuser.query<{ secret: Buffer }>(
    'select wrapped_secret as secret from audit.webhooks',
  );
  const bytes = Buffer.from(secret.slice('whsec_'.length), 'base64');
  t.notOk(row?.secret.includes(bytes));
  t.same(await parts.masterKey.unwrap(row?.secret ?? Buffer.alloc(0), `webhook:${id}`), bytes);
  await t.rejects(
    parts.masterKey.unwrap(row?.secret ?? Buffer.alloc(0), `webhook:${randomUUID()}`),
  );
});

test('an internal URL is refused on creation and on change', async (t) => {
  const parts = await build(t, { WEBHOOK_ALLOW: '127.0.0.1:9999' });
  const call = caller(parts, await parts.signIn('admin'));
  const { id } = (await call('POST', '', { url: 'http://127.0.0.1:9999/' })).json<Resource>();
  for (const url of [
    'http://example.com/',
    'https://127.0.0.1/',
    'https://2852039166/',
    'https://[::1]/',
    'https://localhost/',
    'https://user:pw@93.184.216.34/',
    'https://93.184.216.34:22/',
    'https://no-such-host.invalid/',
    'x',
  ]) {
    const answer = await call('POST', '', { url });
    t.match(
      answer.json(),
      { status: 422, code: 'webhook_url_refused', detail: /^The URL is refused: / },
      `${url}: ${answer.body}`,
    );
    t.match((await call('PATCH', `/${id}`, { url })).json(), {
      status: 422,
      code: 'webhook_url_refused',
    });
  }
  t.equal((await call('GET', '')).json<{ data: unknown[] }>().data.length, 1);
});

test('malformed requests get a 400, unknown webhooks a 404, customers a 403', async (t) => {
  const parts = await build(t, { WEBHOOK_ALLOW: '127.0.0.1:9999' });
  const call = caller(parts, await parts.signIn('admin'));
  const url = 'http://127.0.0.1:9999/';
  for (const body of [
    {},
    { url: 1 },
    { url: '' },
    { url, actions: 'X' },
    { url, actions: ['lower'] },
    { url, actions: ['A**'] },
    { url, actions: Array.from({ length: 51 }, () => 'A') },
    { url, tenant_id: '' },
    { url, other: 1 },
    { url, after: -2 },
    { url, after: 1.5 },
    { url, enabled: false },
  ]) {
    t.match(
      (await call('POST', '', body)).json(),
      { status: 400, code: 'validation_failed' },
      JSON.stringify(body),
    );
  }
  t.match(
    (await call('POST', '', { url, after: 0 })).json(),
    { status: 400, code: 'cursor_invalid' },
    'ahead of the log',
  );
  const { id } = (await call('POST', '', { url })).json<Resource>();
  for (const body of [{}, { enabled: 'yes' }, { secret: 'x' }, { after: 1 }])
    t.match((await call('PATCH', `/${id}`, body)).json(), { status: 400 }, JSON.stringify(body));
  for (const query of [
    '?status=delivered',
    '?limit=0',
    '?cursor=x',
    '?cursor=d',
    '?cursor=d01',
    '?unknown=1',
  ])
    t.equal((await call('GET', `/${id}/deliveries${query}`)).statusCode, 400, query);
  t.equal((await call('GET', '/x')).statusCode, 400);
  const none = randomUUID();
  for (const [method, path, body] of [
    ['GET', `/${none}`],
    ['PATCH', `/${none}`, { enabled: true }],
    ['DELETE', `/${none}`],
    ['POST', `/${none}/secret`],
    ['GET', `/${none}/deliveries`],
  ] as const) {
    t.match(
      (await call(method, path, body)).json(),
      { status: 404, code: 'webhook_not_found' },
      `${method} ${path}`,
    );
  }
  t.match((await call('POST', `/${id}/deliveries/${none}/retry`)).json(), {
    status: 404,
    code: 'webhook_delivery_not_found',
  });
  const customer = caller(parts, await parts.signIn());
  t.equal((await customer('GET', '')).statusCode, 403);
  t.equal((await customer('POST', '', { url })).statusCode, 403);
});

test('concurrent creations stop at a hundred webhooks', async (t) => {
  const parts = await build(t, { WEBHOOK_ALLOW: '127.0.0.1:9999' });
  const call = caller(parts, await parts.signIn('admin'));
  await parts.superuser
    .query(`insert into audit.webhooks (id, url, actions, include_personal, wrapped_secret, position, created_by)
    select gen_random_uuid(), 'https://example.com/', '{}', false, '\\x00', -1, gen_random_uuid() from generate_series(1, 97)`);
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => call('POST', '', { url: 'http://127.0.0.1:9999/' })),
  );
  t.same(
    answers.map(({ statusCode }) => statusCode).toSorted((one, other) => one - other),
    [201, 201, 201, 409, 409, 409],
  );
  t.match(answers.find(({ statusCode }) => statusCode === 409)?.json(), {
    code: 'too_many_webhooks',
  });
});

test('dead deliveries are listed page by page, and can be retried', async (t) => {
  const parts = await build(t, { WEBHOOK_ALLOW: '127.0.0.1:9999' });
  const call = caller(parts, await parts.signIn('admin'));
  const { id } = (await call('POST', '', { url: 'http://127.0.0.1:9999/' })).json<Resource>();
  await parts.superuser.query(
    `insert into audit.webhook_deliveries (webhook_id, event_id, index, status, attempts, last_attempt_at, last_status, last_error)
    select $1, gen_random_uuid(), n, case when n % 2 = 0 then 'dead' else 'pending' end, 10, now(), 500, 'status' from generate_series(0, 9) n`,
    [id],
  );
  interface Page {
    data: { id: string; index: number; status: string; next_attempt_at: string | null }[];
    next_cursor: string | null;
  }
  const pages: Page[] = [];
  for (
    let cursor: string | null = '';
    cursor !== null;
    cursor = pages.at(-1)?.next_cursor ?? null
  ) {
    const answer: LightMyRequestResponse = await call(
      'GET',
      `/${id}/deliveries?status=dead&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    t.equal(answer.statusCode, 200, answer.body);
    pages.push(answer.json<Page>());
  }
  t.same(
    pages.map(({ data }) => data.map(({ index }) => index)),
    [[8, 6], [4, 2], [0]],
  );
  const [dead] = pages[0]?.data ?? [];
  t.match(dead, {
    status: 'dead',
    attempts: 10,
    last_status: 500,
    last_error: 'status',
    next_attempt_at: null,
  });
  const retried = await call('POST', `/${id}/deliveries/${dead?.id}/retry`);
  t.equal(retried.statusCode, 202, retried.body);
  t.match(retried.json(), { id: dead?.id, status: 'pending', attempts: 0 });
  t.ok(
    Math.abs(Date.parse(retried.json<{ next_attempt_at: string }>().next_attempt_at) - Date.now()) <
      5_000,
  );
  t.match((await recorded(parts)).at(-1), {
    action: 'WEBHOOK_RETRIED',
    resource: id,
    metadata: { event_id: dead?.id },
  });
  t.equal((await call('GET', `/${id}/deliveries`)).json<Page>().data.length, 10);
});

test('a test message is signed, told to the caller and recorded, whatever the endpoint answers', async (t) => {
  const receiver = await startReceiver(t);
  const parts = await build(t, { WEBHOOK_ALLOW: receiver.host });
  const call = caller(parts, await parts.signIn('admin'));
  const { id, secret } = (
    await call('POST', '', { url: `http://${receiver.host}/hook` })
  ).json<Resource>();
  await call('PATCH', `/${id}`, { enabled: false });
  const good = await call('POST', `/${id}/test`);
  t.equal(good.statusCode, 200, good.body);
  t.match(good.json(), { delivered: true, status: 204, error: null, duration_ms: Number });
  const [received] = receiver.received;
  const headers = received?.headers as Record<string, string>;
  t.match(new Webhook(secret).verify(received?.body ?? '', headers), {
    type: 'webhook.test',
    data: { webhook_id: id },
  });
  t.equal(headers['webhook-id'], good.json<{ id: string }>().id);

  receiver.answer = (_, response) => void response.writeHead(500).end('secret words');
  const bad = await call('POST', `/${id}/test`);
  t.match(bad.json(), { delivered: false, status: 500, error: 'status' });
  t.notMatch(bad.body, /secret words/);
  t.match((await call('GET', `/${id}`)).json(), { failures: 0, enabled: false });
  t.match((await recorded(parts)).slice(-2), [
    { action: 'WEBHOOK_TESTED', outcome: 'success', resource: id, metadata: { status: 204 } },
    { action: 'WEBHOOK_TESTED', outcome: 'failure', error: 'status', metadata: { status: 500 } },
  ]);
  t.equal((await call('POST', `/${randomUUID()}/test`)).statusCode, 404);
});

test('an event arrives at its webhooks, with personal values only on demand', async (t) => {
  const receiver = await startReceiver(t);
  const parts = await build(t, { WEBHOOK_ALLOW: receiver.host, WEBHOOK_POLL_MS: '50' });
  const root = await parts.signIn('admin');
  const call = caller(parts, root);
  const plain = (
    await call('POST', '', { url: `http://${receiver.host}/plain`, actions: ['FILE_UPLOAD'] })
  ).json<Resource>();
  const personal = (
    await call('POST', '', {
      url: `http://${receiver.host}/personal`,
      actions: ['FILE_UPLOAD'],
      include_personal: true,
    })
  ).json<Resource>();
  const ada = await parts.signIn();
  await parts.server.http.app.listen({ port: 0 });
  const relay = parts.relay();
  relay.start();
  const id = await parts.record(
    eventsOf(ada, {
      action: 'FILE_UPLOAD',
      personal: {
        email: 'ada@example.com',
        ip: '192.0.2.7',
        user_agent: 'tap',
        filename: 'plans.pdf',
      },
      metadata: { size: 5 },
    }),
  );
  await until(() => receiver.received.length === 2);
  await relay.stop();
  const got = (path: string, { secret }: Resource) => {
    const received = receiver.received.find(({ url }) => url === path);
    return new Webhook(secret).verify(
      received?.body ?? '',
      received?.headers as Record<string, string>,
    );
  };
  const base = { type: 'audit.FILE_UPLOAD', timestamp: /^\d{4}-.*Z$/ };
  t.match(got('/plain', plain), {
    ...base,
    data: { id, action: 'FILE_UPLOAD', user_id: ada.id, email: null, ip: null, user_agent: null },
  });
  t.same((got('/plain', plain) as { data: { metadata: object } }).data.metadata, { size: 5 });
  t.match(got('/personal', personal), {
    ...base,
    data: {
      id,
      email: 'ada@example.com',
      ip: '192.0.2.7',
      user_agent: 'tap',
      metadata: { size: 5, filename: 'plans.pdf' },
    },
  });
  const metrics = async () => (await parts.server.http.app.inject(SCRAPE)).body;
  // The count follows the commit, a moment after the delivery.
  await until(async () =>
    (await metrics()).includes(
      'muniment_webhook_attempts_total{outcome="delivered",service="audit"} 2',
    ),
  );
  t.match(
    await metrics(),
    /muniment_webhook_oldest_undelivered_seconds\{service="audit"\} [\d.e-]+/,
  );
});
