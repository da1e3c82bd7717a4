import { test } from 'tap';
import { sql } from 'kysely';
import { build, eventsOf, storeEvents, type Caller, type TestServer } from '../build.ts';
import { sealStored } from '../sealing/seal-stored.ts';

interface Lane {
  lane: number;
  watermark: number;
  assigned: number;
  holes: { from: number; to: number }[];
  declared_lost: { from: number; to: number; event_id: string }[];
}
interface Answer {
  complete: boolean;
  alarms: { code: string }[];
  sources: { source: string; lanes: Lane[] }[];
}

const declare = ({ server }: TestServer, caller: Caller, payload: object) =>
  server.http.app.inject({
    method: 'POST',
    url: '/api/audit/holes/declare-lost',
    headers: { authorization: `Bearer ${caller.token}` },
    payload,
  });
const codeOf = async (answer: ReturnType<typeof declare>) => {
  const { statusCode, body } = await answer;
  return [statusCode, (JSON.parse(body) as { code?: string }).code];
};
const completeness = async (parts: TestServer, admin: Caller) => {
  const answer = (await parts.get('/api/audit/completeness', admin)).json<Answer>();
  return {
    ...answer,
    lane: answer.sources
      .find(({ source }) => source === 'user')
      ?.lanes.find(({ assigned }) => assigned > 0),
  };
};

/** Six events of one lane; 3 and 4 were lost on their way and from the outbox. @returns the lane */
async function lose(parts: TestServer, admin: Caller): Promise<number> {
  await storeEvents(
    parts,
    Array.from({ length: 6 }, () => eventsOf(admin)),
    { seal: false },
  );
  await parts.superuser.query('delete from audit.events where seq in (3, 4)');
  await parts.superuser.query('delete from identity.outbox');
  await parts.superuser.query(
    `update audit.lanes set received = received - '{[3,5)}'
    where source = 'user' and received <> '{}'`,
  );
  await parts.server.ingest.trailWatch.checkOnce();
  return (await completeness(parts, admin)).lane?.lane ?? -1;
}
const age = ({ superuser }: TestServer) =>
  superuser.query(`update audit.holes set first_seen = first_seen - interval '61 seconds'`);
const sealed = async ({ db }: TestServer) =>
  (
    await db
      .selectFrom('audit.sealed as s')
      .innerJoin('audit.events as e', 'e.id', 's.event_id')
      .select('e.seq')
      .where('e.source', '=', 'user')
      .orderBy('s.index')
      .execute()
  ).map(({ seq }) => seq);

test('a lane continues behind numbers declared lost, and the trail still lists them', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const lane = await lose(parts, admin);
  await age(parts);
  await sealStored(parts.db);
  t.same(await sealed(parts), [1, 2], 'the hole holds up its lane');
  t.match((await completeness(parts, admin)).alarms, [{ code: 'hole_lost' }]);

  const range = { source: 'user', lane, from: 3, to: 4 };
  const answers = await Promise.all([1, 2].map(() => declare(parts, admin, range)));
  t.same(
    answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b),
    [200, 409],
    answers.map(({ body }) => body).join('\n'),
  );
  const done = answers.find(({ statusCode }) => statusCode === 200)?.json<{ event_id: string }>();
  t.match(done, range);
  await sealStored(parts.db);
  t.same(await sealed(parts), [1, 2, 5, 6]);
  const after = await completeness(parts, admin);
  t.same(
    after.alarms.filter(({ code }) => code.startsWith('hole')),
    [],
  );
  t.match(after.lane, {
    watermark: 6,
    holes: [],
    declared_lost: [{ from: 3, to: 4, event_id: done?.event_id ?? '' }],
  });
  const { rows } = await sql<{ event_id: string; head: string }>`
    select event_id, head from audit.outbox
    where head like '%"action":"EVENTS_DECLARED_LOST"%'`.execute(parts.db);
  t.same(
    rows.map(({ event_id: id }) => id),
    [done?.event_id],
  );
});

test('numbers that may still arrive cannot be declared lost', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  const lane = await lose(parts, admin);
  const of = (from: number, to: number, more: object = {}) =>
    codeOf(declare(parts, admin, { source: 'user', lane, from, to, ...more }));
  t.same(await of(3, 4), [409, 'hole_not_lost'], 'missed for less than a minute');
  await age(parts);
  t.same(await of(2, 4), [409, 'hole_not_lost'], 'one is stored');
  t.same(await of(3, 7), [409, 'hole_not_lost'], 'one was never given');
  t.same(await of(7, Number.MAX_SAFE_INTEGER), [409, 'hole_not_lost']);
  t.same(await of(4, 3), [400, 'range_reversed']);
  for (const bad of [
    { lane: 16 },
    { lane: -1 },
    { source: 'other' },
    { from: 0 },
    { from: 1.5 },
    { to: 2 ** 60 },
    { note: 'x' },
  ])
    t.equal((await of(3, 4, bad))[0], 400, JSON.stringify(bad));
  await parts.superuser.query(
    `insert into identity.outbox (event_id, lane, seq, head, tail, sent_at)
    values (gen_random_uuid(), ${lane}, 4, '{"a":1', '"z":1}', now())`,
  );
  t.same(await of(3, 4), [409, 'hole_not_lost'], 'the outbox has one of them');
  t.equal((await of(3, 3))[0], 200);
  t.equal(
    (await declare(parts, await parts.signIn(), { source: 'user', lane, from: 4, to: 4 }))
      .statusCode,
    403,
  );
  t.match((await completeness(parts, admin)).lane, {
    watermark: 3,
    holes: [{ from: 4, to: 4 }],
    declared_lost: [{ from: 3, to: 3 }],
  });
});
