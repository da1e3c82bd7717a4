import { test } from 'tap';
import { Value } from 'typebox/value';
import { logEntrySchema } from '../../log-entry.ts';
import { build, type Caller, type TestServer } from '../build.ts';
import { until } from '../parts.ts';

interface Entry { [field: string]: unknown; id: string; user_id: string | null; action: string }

/** Records through the outbox, relays, stores; then the consumer is stopped, so that the set stays as it is. */
async function store(parts: TestServer, events: Parameters<TestServer['record']>[0][]): Promise<string[]> {
  const relay = parts.relay();
  const consumer = parts.consumer();
  const ids: string[] = [];
  for (const event of events) ids.push(await parts.record(event));
  relay.start();
  consumer.start();
  await until(async () => (await parts.db.selectFrom('audit.events').select('id').where('id', 'in', ids).execute()).length === ids.length);
  await relay.stop();
  await consumer.stop();
  return ids;
}

const of = (caller: Caller, more: object = {}) => ({ subject: { userId: caller.id }, user_id: caller.id, personal: { email: 'ada@example.com', ip: '192.0.2.7', user_agent: 'tap' }, ...more });

test('the list shows what concerns the caller, newest first, in the documented shape, with the personal values opened', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const bob = await parts.signIn();
  const ids = await store(parts, [
    of(ada, { action: 'LOGIN_FAIL', outcome: 'failure', user_id: null, error: 'wrong "password"', metadata: { a: { b: [1, '","personal":{"x":1},"request_id":'] } } }),
    of(bob, { action: 'LOGIN_SUCCESS' }),
    of(ada, { action: 'FILE_UPLOAD', resource: 'file/1', resource_type: 'file', metadata: { size: 5 }, personal: { ip: '192.0.2.8', filename: 'plans.pdf' } }),
  ]);
  const answer = await parts.get('/api/audit/logs', ada);
  t.equal(answer.statusCode, 200, answer.body);
  t.match(answer.headers['content-type'], /^application\/json/);
  t.equal(answer.headers.link, undefined);
  const entries = answer.json<Entry[]>();
  t.same(entries.map(({ id }) => id), [ids[2], ids[0]]);
  t.match(entries[1], { action: 'LOGIN_FAIL', outcome: 'failure', user_id: null, email: 'ada@example.com', ip: '192.0.2.7', user_agent: 'tap', error: 'wrong "password"', source: 'user', request_id: 'r1' });
  t.same(entries[1]?.metadata, { a: { b: [1, '","personal":{"x":1},"request_id":'] } });
  t.same(entries[0]?.metadata, { size: 5, filename: 'plans.pdf' });
  t.equal(entries[0]?.email, null);
  for (const entry of entries) t.same([...Value.Errors(logEntrySchema, entry)], []);
});
