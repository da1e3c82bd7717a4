import { test } from 'tap';
import { Value } from 'typebox/value';
import { logEntrySchema } from '../../log-entry.ts';
import { until } from '../parts.ts';
import { build, eventsOf, storeEvents, type LogEntry } from '../build.ts';

/** Text and keys that look like the event's own personal block. */
const LOOKALIKE = { a: 1, b: [1, '","personal":{"x":1},"request_id":'], personal: { commitment: 'x', subject: 'y' }, request_id: 'z' };

test('the list shows what concerns the caller, newest first, in the documented shape, with the personal values opened', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const bob = await parts.signIn();
  const ids = await storeEvents(parts, [
    eventsOf(ada, { action: 'LOGIN_FAIL', outcome: 'failure', user_id: null, error: 'wrong "password"', metadata: LOOKALIKE }),
    eventsOf(bob, { action: 'LOGIN_SUCCESS' }),
    eventsOf(ada, { action: 'FILE_UPLOAD', resource: 'file/1', resource_type: 'file', metadata: { size: 5 }, personal: { ip: '192.0.2.8', filename: 'plans.pdf' } }),
  ]);
  const answer = await parts.get('/api/audit/logs', ada);
  t.equal(answer.statusCode, 200, answer.body);
  t.match(answer.headers['content-type'], /^application\/json/);
  t.equal(answer.headers.link, undefined);
  const entries = answer.json<LogEntry[]>();
  t.same(entries.map(({ id }) => id), [ids[2], ids[0]]);
  t.match(entries[1], { action: 'LOGIN_FAIL', outcome: 'failure', user_id: null, email: 'ada@example.com', ip: '192.0.2.7', user_agent: 'tap', error: 'wrong "password"', source: 'user', request_id: 'r1' });
  t.same(entries[1]?.metadata, LOOKALIKE);
  t.same(entries[0]?.metadata, { size: 5, filename: 'plans.pdf' });
  t.equal(entries[0]?.email, null);
  for (const entry of entries) t.same([...Value.Errors(logEntrySchema, entry)], []);
});

const ids = (entries: readonly LogEntry[]): string[] => entries.map(({ id }) => id);

test('pages of any size give a fixed set whole, without a doubling, and keep the filters', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const bob = await parts.signIn();
  const stored = await storeEvents(parts, Array.from({ length: 37 }, (_, n) => (n % 3 === 2
    // Done by ada to somebody else: hers too.
    ? eventsOf(bob, { user_id: ada.id, action: 'USER_UPDATED' })
    : eventsOf(ada, { action: n % 2 === 0 ? 'LOGIN_SUCCESS' : 'FILE_UPLOAD' }))));
  async function walk(query: string): Promise<LogEntry[]> {
    const entries: LogEntry[] = [];
    for (let url: string | undefined = `/api/audit/logs?${query}`; url !== undefined;) {
      const answer = await parts.get(url, ada);
      t.equal(answer.statusCode, 200, answer.body);
      entries.push(...answer.json<LogEntry[]>());
      url = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
    }
    return entries;
  }
  for (const limit of [1, 5, 36, 37, 38, 200]) t.same(ids(await walk(`limit=${limit}`)), stored.toSorted().reverse(), `limit ${limit}`);
  const uploads = await walk('limit=4&action=FILE_UPLOAD');
  t.equal(uploads.length, Array.from({ length: 37 }, (_, n) => n).filter((n) => n % 3 !== 2 && n % 2 === 1).length);
  t.ok(uploads.every(({ action }) => action === 'FILE_UPLOAD'));
});

test('another\'s events are not in the list, and the personal values of somebody else are not opened for who acted', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const bob = await parts.signIn();
  await storeEvents(parts, [eventsOf(bob), eventsOf(bob, { user_id: ada.id, action: 'USER_UPDATED' })]);
  const entries = (await parts.get('/api/audit/logs', ada)).json<LogEntry[]>();
  t.match(entries, [{ action: 'USER_UPDATED', user_id: ada.id, email: null, ip: null }]);
  t.equal((await parts.get('/api/audit/logs', bob)).json<LogEntry[]>().length, 2);
});

test('filters narrow the list; from is included and to is not', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  await storeEvents(parts, [
    eventsOf(ada, { action: 'LOGIN_FAIL', outcome: 'failure' }),
    eventsOf(ada, { action: 'FILE_UPLOAD', resource: 'file/ä&=1' }),
    eventsOf(ada, { action: 'FILE_DELETE', resource: 'file/2' }),
  ]);
  const list = async (query: Record<string, string>) => {
    const answer = await parts.get(`/api/audit/logs?${new URLSearchParams(query).toString()}`, ada);
    t.equal(answer.statusCode, 200, answer.body);
    return answer.json<LogEntry[]>();
  };
  const all = await list({});
  const actions = async (query: Record<string, string>) => (await list(query)).map(({ action }) => action);
  t.same(await actions({ outcome: 'failure' }), ['LOGIN_FAIL']);
  t.same(await actions({ action: 'FILE_DELETE' }), ['FILE_DELETE']);
  t.same(await actions({ resource: 'file/ä&=1' }), ['FILE_UPLOAD']);
  t.same(await actions({ resource: 'file/2', action: 'FILE_UPLOAD' }), []);
  const middle = String(all[1]?.timestamp);
  t.same(await actions({ from: middle }), ['FILE_DELETE', 'FILE_UPLOAD']);
  t.same(await actions({ to: middle }), ['LOGIN_FAIL']);
  t.same(await actions({ from: middle.replace('Z', '+00:00'), to: new Date(Date.parse(middle) + 1).toISOString() }), ['FILE_UPLOAD']);
  t.same(await actions({ from: '0001-01-01T00:00:00Z', to: '9999-12-31T23:59:59Z' }), ['FILE_DELETE', 'FILE_UPLOAD', 'LOGIN_FAIL']);
});

test('what is malformed is a 400 problem that names it, and never reaches the database', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  for (const cursor of ['x', '', 'i', 'iAAAA', `i${'A'.repeat(23)}`, `i${'A'.repeat(21)}B`, `j${'A'.repeat(22)}`, '018f0000-0000-7000-8000-000000000001', '%00', '../..', 'i' + '\u00e9'.repeat(22)]) {
    const answer = await parts.get(`/api/audit/logs?cursor=${encodeURIComponent(cursor)}`, ada);
    t.equal(answer.statusCode, 400, cursor);
    t.match(answer.headers['content-type'], /^application\/problem\+json/);
    t.match(answer.json(), { status: 400, code: 'cursor_invalid' }, cursor);
  }
  for (const query of ['limit=0', 'limit=201', 'limit=x', 'limit=1&limit=2', 'limit=-1', 'limit=1.5', 'from=yesterday', 'from=2026-13-01T00:00:00Z', 'to=2026-01-01', 'outcome=maybe', 'action=lower',
    'resource=a%00b', 'action=A%00', `resource=${'x'.repeat(501)}`, 'unknown=1', 'cursor=a&cursor=b', `cursor=${'i'.repeat(200)}`, 'from=', 'resource=']) {
    const answer = await parts.get(`/api/audit/logs?${query}`, ada);
    t.match(answer.json(), { status: 400, code: /^(validation_failed|malformed_text|cursor_invalid)$/ }, `${query} ${answer.body}`);
  }
  t.equal((await parts.get('/api/audit/logs')).statusCode, 401);
});

test('after the erasure of a user the events stay and name nobody, in every replica', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  await storeEvents(parts, [eventsOf(ada, { metadata: { size: 1 } })]);
  t.match((await parts.get('/api/audit/logs', ada)).json(), [{ email: 'ada@example.com' }]);
  await parts.superuser.query('insert into shared.erasures (user_id) values ($1)', [ada.id]);
  await parts.server.app.listen({ port: 0 });
  await until(async () => (await parts.superuser.query('select 1 from shared.erasures where audit_done')).rowCount === 1);
  t.match((await parts.get('/api/audit/logs', ada)).json(), [{ user_id: ada.id, email: null, ip: null, user_agent: null, metadata: { size: 1 } }]);
  t.equal((await parts.superuser.query('select 1 from keys.subject_keys where subject = $1', [ada.id])).rowCount, 0);
  t.equal((await parts.superuser.query('select 1 from keys.erased_subjects where subject = $1', [ada.id])).rowCount, 1);
});

test('one event whose personal block was tampered with does not take the page away', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const [first] = await storeEvents(parts, [eventsOf(ada), eventsOf(ada)]);
  await parts.superuser.query("update audit.events set personal_ciphertext = 'AAAA' where id = $1", [first]);
  const answer = await parts.get('/api/audit/logs', ada);
  t.equal(answer.statusCode, 200, answer.body);
  t.same(answer.json<LogEntry[]>().map(({ email }) => email), ['ada@example.com', null], 'newest first; the one tampered with says nothing');
});
