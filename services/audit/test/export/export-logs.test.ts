import { test, type Test } from 'tap';
import { parseVerifierKey, verifyExport } from '@muniment/audit-verify';
import { until } from '@muniment/testing';
import { startAuditStore } from '../audit-store.ts';
import { build, eventsOf, storeEvents, type TestServer } from '../build.ts';
import { naiveCheckpoints } from './naive-checkpoint.ts';
import { readExport } from './read-export.ts';
import { fillLog } from '../fill-log.ts';

interface Parts extends TestServer {
  verifierKey: string;
}

async function start(t: Test, settings: Record<string, string> = {}): Promise<Parts> {
  const parts = await build(t, settings);
  const { verifierKey, latest } = naiveCheckpoints(parts.db);
  // Without a sealer that would sign; the tree is the one that is stored.
  Object.assign(parts.server.tree, { latestCheckpoint: latest });
  return { ...parts, verifierKey };
}

const fill = async (...args: Parameters<typeof fillLog>): Promise<string[]> =>
  (await fillLog(...args)).map(({ id }) => id);

const exportedEvents = async ({ superuser }: TestServer) =>
  (
    await superuser.query<{ text: string }>(
      "select head || ',' || tail as text from audit.outbox order by position",
    )
  ).rows
    .map(
      ({ text }) =>
        JSON.parse(text) as { action: string; user_id: string; metadata: Record<string, unknown> },
    )
    .filter(({ action }) => action === 'AUDIT_EXPORTED');

test("an administrator's export proves every entry, with values and salts", async (t) => {
  const parts = await start(t);
  const ada = await parts.signIn();
  const root = await parts.signIn('admin');
  const ids = await storeEvents(parts, [
    eventsOf(ada, { metadata: { text: '","index":7,"x' } }),
    eventsOf(ada, { action: 'FILE_UPLOAD', personal: { filename: 'ä,"index":1.pdf' } }),
    eventsOf(root),
  ]);
  const answer = await parts.get('/api/audit/export', root);
  t.equal(answer.statusCode, 200, answer.body);
  t.match(answer.headers, {
    'content-type': /^application\/x-ndjson/,
    'content-disposition': 'attachment; filename="audit-3.ndjson"',
    'muniment-tree-size': '3',
  });
  const read = readExport(answer.body, parts.verifierKey);
  t.match(read, { filter: null, after: null, size: 3, next: null });
  t.same(
    read.rows.map(({ event }) => event.id),
    ids.toSorted(),
  );
  t.match(
    read.rows.map(({ values }) => values),
    [{ email: 'ada@example.com' }, { filename: 'ä,"index":1.pdf' }, { email: 'ada@example.com' }],
  );
  const verdict = async (text: string): Promise<string> => {
    const report = await verifyExport([Buffer.from(text)], {
      keys: [parseVerifierKey(parts.verifierKey)],
    });
    return `${report.verdict}: ${report.rows} rows, ${report.findings_total} findings`;
  };
  t.equal(await verdict(answer.body), 'proven: 3 rows, 0 findings', 'as the verifier sees it');
  t.equal(
    await verdict((await parts.get('/api/audit/export?action=FILE_*', root)).body),
    'incomplete: 1 rows, 0 findings',
  );
  t.match(await verdict(answer.body.replace('FILE_UPLOAD', 'FILE_UPLOAE')), /^refuted/);
  t.match(
    await exportedEvents(parts),
    [{ user_id: root.id, metadata: { format: 'ndjson', filter: {}, scope: 'all', size: 3 } }],
    'and is an event',
  );
});

test("a user's export holds their events, and hashes for the rest", async (t) => {
  const parts = await start(t);
  const ada = await parts.signIn();
  const bob = await parts.signIn();
  const ids = await storeEvents(parts, [
    eventsOf(bob),
    eventsOf(ada),
    eventsOf(bob, { user_id: ada.id, action: 'USER_UPDATED' }),
    eventsOf(bob),
    eventsOf(ada),
  ]);
  const read = readExport((await parts.get('/api/audit/export', ada)).body, parts.verifierKey);
  t.same(
    read.rows.map(({ event }) => event.id),
    [ids[1], ids[2], ids[4]],
  );
  t.same(
    read.rows.map(({ values }) => values === null),
    [false, true, false],
  );
  t.same(read.filter, { concerning: ada.id });
  t.match(await exportedEvents(parts), [{ metadata: { scope: 'own' } }]);
});

test('later exports hold no values of an erased subject, and still verify', async (t) => {
  const parts = await start(t, await startAuditStore(t));
  const ada = await parts.signIn();
  const root = await parts.signIn('admin');
  await storeEvents(parts, [eventsOf(ada), eventsOf(root)]);
  t.match(readExport((await parts.get('/api/audit/export', root)).body, parts.verifierKey).rows, [
    { values: { email: 'ada@example.com' } },
    { values: {} },
  ]);
  await parts.superuser.query('insert into shared.erasures (user_id) values ($1)', [ada.id]);
  await parts.server.http.app.listen({ port: 0 });
  await until(
    async () =>
      (await parts.superuser.query('select 1 from shared.erasures where audit_done')).rowCount ===
      1,
  );
  for (const format of ['ndjson', 'csv', 'cloudevents', 'ocsf']) {
    const { body } = await parts.get(`/api/audit/export?format=${format}&scope=own`, root);
    t.ok(body.length > 100, format);
    const all = (await parts.get(`/api/audit/export?format=${format}`, root)).body;
    t.equal(
      all.split('192.0.2.7').length,
      body.split('192.0.2.7').length,
      `${format}: only the reader's own address`,
    );
  }
  t.match(
    readExport((await parts.get('/api/audit/export', root)).body, parts.verifierKey).rows.slice(
      0,
      1,
    ),
    [{ values: null }],
  );
});

test("after a person's erasure no event shows that anyone searched for them", async (t) => {
  const parts = await start(t, await startAuditStore(t));
  const ada = await parts.signIn();
  const root = await parts.signIn('admin');
  const wanted = 'email=searched@example.com&ip=198.51.100.77';
  await storeEvents(parts, [
    eventsOf(ada, { personal: { email: 'searched@example.com', ip: '198.51.100.77' } }),
  ]);
  t.match((await parts.get(`/api/audit/logs?${wanted}`, root)).json(), [
    { email: 'searched@example.com' },
  ]);
  t.equal((await parts.get(`/api/audit/export?${wanted}`, root)).statusCode, 200);
  await parts.superuser.query('insert into shared.erasures (user_id) values ($1)', [ada.id]);
  await parts.server.http.app.listen({ port: 0 });
  const readings = async () =>
    (
      await parts.superuser.query<{ metadata: string }>(`
    select record::json->'metadata'->>'filter' as metadata
    from audit.events e join audit.sealed s on s.event_id = e.id
    where action in ('AUDIT_READ', 'AUDIT_EXPORTED')`)
    ).rows;
  await until(
    async () =>
      (await parts.superuser.query('select 1 from shared.erasures where audit_done')).rowCount ===
        1 && (await readings()).length === 2,
  );
  for (const { metadata } of await readings())
    t.same(
      JSON.parse(metadata),
      { email: '(personal)', ip: '(personal)' },
      'that a value was given is told',
    );
  for (const format of ['ndjson', 'csv', 'cloudevents', 'ocsf']) {
    const { body } = await parts.get(`/api/audit/export?format=${format}`, root);
    t.match(body, /AUDIT_READ/i, format);
    t.notMatch(body, /searched@example|198\.51\.100\.77/, format);
  }
});

test('parts of any size verify alone, and together hold each entry once', async (t) => {
  const parts = await start(t);
  const root = await parts.signIn('admin');
  const ids = await fill(parts, 37, (n) => ({
    action: n % 5 === 0 ? 'FILE_UPLOAD' : 'LOGIN_SUCCESS',
  }));
  async function walk(
    query: string,
    limit: number,
    meanwhile: () => Promise<unknown>,
  ): Promise<string[]> {
    const rows: string[] = [];
    let cursor = '';
    let after: number | null = null;
    for (;;) {
      const answer = await parts.get(
        `/api/audit/export?${query}limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`,
        root,
      );
      t.equal(answer.statusCode, 200, answer.body);
      const read = readExport(answer.body, parts.verifierKey);
      t.equal(read.after, after);
      t.not(read.rows.length, 0, 'no part is there for nothing');
      rows.push(...read.rows.map(({ event }) => String(event.id)));
      if (read.next === null) return rows;
      after = read.rows.at(-1)?.index ?? null;
      cursor = read.next;
      await meanwhile();
    }
  }
  for (const limit of [7, 36, 37, 1_000]) {
    t.same(await walk('', limit, async () => {}), ids, `limit ${limit}`);
    t.same(
      await walk('action=FILE_*&', limit, async () => {}),
      ids.filter((_, n) => n % 5 === 0),
      `filtered, limit ${limit}`,
    );
  }
  t.same(await walk('', 8, () => fill(parts, 3, () => ({ action: 'FILE_DELETE' }))), ids);
});

test('every format continues behind an index', async (t) => {
  const parts = await start(t);
  const root = await parts.signIn('admin');
  const ids = await fill(parts, 12);
  for (const format of ['ndjson', 'csv', 'cloudevents', 'ocsf']) {
    const { body } = await parts.get(`/api/audit/export?format=${format}&after=3&limit=5`, root);
    t.same(
      ids.filter((id) => body.includes(id)),
      ids.slice(4, 9),
      format,
    );
  }
});

test('a malformed query is a 400 before anything is recorded', async (t) => {
  const parts = await start(t);
  const root = await parts.signIn('admin');
  const ada = await parts.signIn();
  await fill(parts, 3);
  const cursor =
    readExport((await parts.get('/api/audit/export?limit=1', root)).body, parts.verifierKey).next ??
    '';
  const recorded = (await exportedEvents(parts)).length;
  for (const [query, code] of [
    ['format=xml', 'validation_failed'],
    ['format=', 'validation_failed'],
    ['limit=0', 'validation_failed'],
    ['after=-1', 'validation_failed'],
    ['after=x', 'validation_failed'],
    ['unknown=1', 'validation_failed'],
    ['cursor=x', 'cursor_invalid'],
    [`cursor=${cursor}x`, 'cursor_invalid'],
    [`cursor=${cursor}&action=A`, 'cursor_invalid'],
    [`cursor=${cursor}&scope=own`, 'cursor_invalid'],
    [`cursor=${cursor}&after=1`, 'filter_invalid'],
    ['from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', 'filter_invalid'],
    ['ip=999.1.1.1', 'filter_invalid'],
    ['email=x', 'validation_failed'],
  ]) {
    const answer = await parts.get(`/api/audit/export?${query}`, root);
    t.match(answer.json(), { status: 400, code }, `${query} ${answer.body}`);
  }
  t.match(
    (await parts.get(`/api/audit/export?cursor=${cursor}`, ada)).json(),
    { code: 'cursor_invalid' },
    "another reader's cursor",
  );
  t.equal((await parts.get('/api/audit/export')).statusCode, 401);
  t.equal((await exportedEvents(parts)).length, recorded);
});
