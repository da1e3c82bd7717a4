import { randomUUID } from 'node:crypto';
import { test } from 'tap';
import { openPersonal, type AuditEvent } from '@muniment/audit-events';
import { filterProperties } from '../../trail/filter.ts';
import { describeFilter } from '../../trail/log-events.ts';
import { build, eventsOf, storeEvents, type Caller, type TestServer } from '../build.ts';
import { naiveCheckpoints } from '../export/naive-checkpoint.ts';

const TYPED = 'Ada Lovelace';

/** The outbox's events of an action, with their personal values opened. */
async function openedEvents(
  { superuser, server, db }: TestServer,
  action: string,
): Promise<{ text: string; opened: object }[]> {
  const { rows } = await superuser.query<{ text: string }>(
    "select head || ',' || tail as text from audit.outbox order by position",
  );
  const events = rows
    .map(({ text }) => ({ text, event: JSON.parse(text) as AuditEvent }))
    .filter(({ event }) => event.action === action);
  const blocks = events.flatMap(({ event }) => event.personal ?? []);
  const keys = await server.crypto.subjectKeys.forBlocks(db, blocks);
  return events.map(({ text, event: { id, personal } }) => {
    const key = personal && keys.of(personal);
    return { text, opened: personal && key ? openPersonal(id, personal, key) : {} };
  });
}

async function start(t: Parameters<typeof build>[0]): Promise<TestServer & { root: Caller }> {
  const parts = await build(t);
  const { latest } = naiveCheckpoints(parts.db);
  Object.assign(parts.server.tree, { latestCheckpoint: latest });
  const root = await parts.signIn('admin');
  await storeEvents(parts, [eventsOf(root)]);
  return { ...parts, root };
}

for (const name of ['resource', 'resource_type', 'request_id', 'tenant_id'])
  for (const [action, url] of [
    ['AUDIT_EXPORTED', '/api/audit/export'],
    ['AUDIT_READ', '/api/audit/logs'],
  ] as const)
    test(`${action} holds a typed ${name} as a personal value only`, async (t) => {
      const parts = await start(t);
      const answer = await parts.get(`${url}?${name}=${encodeURIComponent(TYPED)}`, parts.root);
      t.equal(answer.statusCode, 200, answer.body);
      const [event] = await openedEvents(parts, action);
      t.notMatch(event?.text, TYPED);
      t.match(JSON.parse(event?.text ?? ''), { metadata: { filter: { [name]: '(personal)' } } });
      t.match(event?.opened, { filter_text: { [name]: TYPED } });
    });

test('an address that is typed as a resource is kept nowhere', async (t) => {
  const parts = await start(t);
  for (const address of ['ada@example.com', '192.0.2.7'])
    await parts.get(`/api/audit/export?resource=${address}`, parts.root);
  const events = await openedEvents(parts, 'AUDIT_EXPORTED');
  t.equal(events.length, 2);
  t.notMatch(JSON.stringify(events), /ada@example|192\.0\.2\.7/);
});

test('ids, times and closed lists stay in the metadata', async (t) => {
  const query = {
    resource: randomUUID(),
    request_id: '0123456789abcdef0123456789abcdef',
    actor: randomUUID(),
    outcome: 'failure' as const,
    source: 'file' as const,
    from: '2026-01-01T00:00:00.000Z',
  };
  t.strictSame(describeFilter(query), { filter: query, personal: {} });
});

test('no filter that takes any text is kept in the metadata', async (t) => {
  const open = Object.entries(filterProperties).filter(
    ([, schema]) => 'type' in schema && !('format' in schema),
  );
  t.ok(open.length >= 6);
  for (const [name] of open.filter(([name]) => name !== 'action'))
    t.notMatch(JSON.stringify(describeFilter({ [name]: TYPED }).filter), TYPED, name);
});
