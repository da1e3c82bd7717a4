import { test } from 'tap';
import { build, type Caller, type TestServer } from '../build.ts';
import { storeSealed } from '../live/sealed.ts';

type Headers = Record<string, string>;

const UNMET: Headers[] = [{ 'if-match': '"zzz"' }, { 'if-none-match': '*' }];
const UNMET_BY_DATE: Headers = { 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' };
/** Of a path that only takes POST there is no state that a tag could name. */
const UNMET_ACTION: Headers[] = [{ 'if-match': '"zzz"' }, { 'if-match': '*' }];

const caller =
  ({ server }: TestServer, { token }: Caller) =>
  (
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    { headers, payload }: { headers?: Headers; payload?: object } = {},
  ) =>
    server.http.app.inject({
      method,
      url: `/api/audit/${path}`,
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(payload && { payload }),
    });

/** All that these changes could have touched. */
async function state({ superuser }: TestServer): Promise<unknown> {
  const { rows } = await superuser.query(`
    select to_jsonb(w) from audit.webhooks w
    union all select to_jsonb(v) from audit.viewer_tokens v
    union all select to_jsonb(o) from audit.outbox o`);
  return rows;
}

test('webhooks and viewer tokens do not change under an unmet condition', async (t) => {
  const parts = await build(t, { WEBHOOK_ALLOW: '127.0.0.1:9999' });
  const call = caller(parts, await parts.signIn('admin'));
  await storeSealed(parts.db, [{}]);
  const hook = { url: 'http://127.0.0.1:9999/hook' };
  const webhook = (await call('POST', 'webhooks', { payload: hook })).json();
  const viewer = (await call('POST', 'viewer-tokens', { payload: { tenant_id: 'a' } })).json();
  const before = await state(parts);
  for (const [method, path, unmet, payload] of [
    ['PATCH', `webhooks/${webhook.id}`, [...UNMET, UNMET_BY_DATE], { description: 'other' }],
    ['DELETE', `webhooks/${webhook.id}`, [...UNMET, UNMET_BY_DATE], undefined],
    ['DELETE', `viewer-tokens/${viewer.id}`, [...UNMET, UNMET_BY_DATE], undefined],
    ['POST', `webhooks/${webhook.id}/secret`, UNMET_ACTION, undefined],
    ['POST', 'webhooks', UNMET, hook],
    ['POST', 'viewer-tokens', UNMET, { tenant_id: 'b' }],
    ['POST', 'erasures', UNMET_ACTION, { tenant_id: 'a', subject: 'u1' }],
    ['POST', 'quarantine/replay', UNMET_ACTION, {}],
  ] as const)
    for (const headers of unmet) {
      const answer = await call(method, path, { headers, ...(payload && { payload }) });
      const name = `${method} ${path} ${JSON.stringify(headers)}`;
      t.strictSame([answer.statusCode, answer.json().code], [412, 'precondition_failed'], name);
    }
  t.strictSame(await state(parts), before);
});

test('a webhook changes under the date that its answer shows, until it has changed', async (t) => {
  const parts = await build(t, { WEBHOOK_ALLOW: '127.0.0.1:9999' });
  const call = caller(parts, await parts.signIn('admin'));
  await storeSealed(parts.db, [{}]);
  const { id, updated } = (
    await call('POST', 'webhooks', { payload: { url: 'http://127.0.0.1:9999/hook' } })
  ).json();
  const headers = { 'if-unmodified-since': new Date(updated).toUTCString() };
  const change = () =>
    call('PATCH', `webhooks/${id}`, { headers, payload: { description: 'another' } });
  t.equal((await change()).statusCode, 200);
  await parts.superuser.query(`update audit.webhooks set updated = now() + interval '2 seconds'`);
  t.equal((await change()).statusCode, 412);
});

test('what is absent is 404 under any condition', async (t) => {
  const parts = await build(t);
  const call = caller(parts, await parts.signIn('admin'));
  const absent = '01890000-0000-7000-8000-000000000000';
  for (const [method, path] of [
    ['PATCH', `webhooks/${absent}`],
    ['DELETE', `webhooks/${absent}`],
    ['POST', `webhooks/${absent}/secret`],
    ['POST', `webhooks/${absent}/deliveries/${absent}/retry`],
    ['DELETE', `viewer-tokens/${absent}`],
    ['POST', `quarantine/${absent}/replay`],
  ] as const)
    for (const headers of [...UNMET, UNMET_BY_DATE]) {
      const payload = method === 'PATCH' ? { description: 'other' } : undefined;
      const answer = await call(method, path, { headers, ...(payload && { payload }) });
      t.equal(answer.statusCode, 404, `${method} ${path}`);
    }
});
