import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { Value } from 'typebox/value';
import { logResourceSchema } from '../../trail/log-resource.ts';
import { build, eventsOf, storeEvents, type LogEntry } from '../build.ts';

test("an entry is shown to its user; another's answers like an absent one", async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  const eve = await parts.signIn();
  const [id] = await storeEvents(parts, [eventsOf(ada)]);
  const own = await parts.get(`/api/audit/logs/${id}`, ada);
  t.equal(own.statusCode, 200, own.body);
  t.match(own.json<LogEntry>(), { id, user_id: ada.id, email: 'ada@example.com' });
  t.same([...Value.Errors(logResourceSchema, own.json())], []);

  const others = await parts.get(`/api/audit/logs/${id}`, eve);
  const absent = await parts.get(`/api/audit/logs/${randomUUID()}`, eve);
  t.equal(others.statusCode, 404);
  const { request_id: _one, ...othersProblem } = others.json<{ request_id: string }>();
  const { request_id: _other, ...absentProblem } = absent.json<{ request_id: string }>();
  t.same(othersProblem, absentProblem);
  t.match(othersProblem, { code: 'audit_log_not_found' });
});

test('a malformed id is a 400, and a missing token is a 401', async (t) => {
  const parts = await build(t);
  const ada = await parts.signIn();
  for (const id of [
    'x',
    '1',
    '018f0000-0000-7000-8000-00000000000',
    '018f0000-0000-7000-8000-00000000000%00',
    "'; drop table audit.events; --",
  ]) {
    t.equal(
      (await parts.get(`/api/audit/logs/${encodeURIComponent(id)}`, ada)).statusCode,
      400,
      id,
    );
  }
  t.equal((await parts.get(`/api/audit/logs/${randomUUID()}`)).statusCode, 401);
});
