import { test } from 'tap';
import { sql } from 'kysely';
import { until } from '@muniment/testing';
import { recordMany } from '../parts.ts';
import { build, eventsOf, storeEvents } from '../build.ts';

interface Answer {
  complete: boolean;
  alarms: { code: string; incomplete: boolean; detail: string }[];
  sources: {
    source: string;
    assigned: number;
    missing: number;
    duplicates: number;
    outbox: { rows: number; oldest_seconds: number } | null;
    lanes: {
      lane: number;
      watermark: number;
      assigned: number;
      holes: { from: number; to: number; age_seconds: number; in_outbox: number }[];
    }[];
  }[];
  stream: {
    lag_ms: number | null;
    shards: { shard_id: string; holder: string | null; lag_ms: number | null }[];
    losses: { kind: string }[];
  };
  log: { last_index: number | null };
}

test('a complete trail is reported as complete, by source and lane', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  await storeEvents(parts, [eventsOf(admin), eventsOf(admin), eventsOf(admin)]);
  const answer = await parts.get('/api/audit/completeness', admin);
  t.equal(answer.statusCode, 200, answer.body);
  const body = answer.json<Answer>();
  const user = body.sources.find(({ source }) => source === 'user');
  t.match(user, { assigned: 3, missing: 0, duplicates: 0 });
  t.equal(user?.lanes.length, 16);
  t.same(
    user?.lanes
      .filter(({ assigned }) => assigned > 0)
      .map(({ watermark, holes }) => ({ watermark, holes })),
    [{ watermark: 3, holes: [] }],
  );
  t.same(
    body.sources.map(({ source }) => source),
    ['app', 'audit', 'file', 'user'],
  );
  t.equal(body.alarms.filter(({ incomplete }) => incomplete).length, 0);
  t.equal(body.complete, true);
  t.equal(body.stream.shards.length, 2);
});

test('a hole is reported with its range, and is an alarm after a minute', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  await storeEvents(
    parts,
    Array.from({ length: 6 }, () => eventsOf(admin)),
  );
  const { server, superuser } = parts;
  // Numbers 3 and 4 are neither stored nor in the outbox, like a lost record whose outbox
  // did not hold it.
  await superuser.query('delete from identity.outbox');
  await superuser.query(
    `update audit.lanes set received = received - '{[3,5)}'
    where source = 'user' and received <> '{}'`,
  );
  await server.ingest.trailWatch.checkOnce();
  const young = (await parts.get('/api/audit/completeness', admin)).json<Answer>();
  const lane = young.sources
    .find(({ source }) => source === 'user')
    ?.lanes.find(({ holes }) => holes.length > 0);
  t.match(lane, { watermark: 2, assigned: 6, holes: [{ from: 3, to: 4, in_outbox: 0 }] });
  t.equal(young.complete, true, 'what is missing for less than a minute may be on its way');

  await superuser.query(`update audit.holes set first_seen = first_seen - interval '61 seconds'`);
  const old = (await parts.get('/api/audit/completeness', admin)).json<Answer>();
  t.equal(old.complete, false);
  t.match(
    old.alarms.filter(({ incomplete }) => incomplete),
    [
      {
        code: 'hole_lost',
        incomplete: true,
        detail: /^user\/\d+ lacks 3 to 4 for 6\d s; 2 of 2 are in no outbox any more$/,
      },
    ],
  );
});

test('a backlog in an outbox is reported, and is an alarm when too old', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  await recordMany(parts, 5);
  await sql`update identity.outbox set created_at = now() - interval '5 minutes'`.execute(
    parts.producer,
  );
  const body = (await parts.get('/api/audit/completeness', admin)).json<Answer>();
  t.match(body.sources.find(({ source }) => source === 'user')?.outbox, { rows: 5 });
  t.ok((body.sources.find(({ source }) => source === 'user')?.outbox?.oldest_seconds ?? 0) >= 300);
  t.match(
    body.alarms.filter(({ incomplete }) => incomplete),
    [{ code: 'backlog' }],
  );
  t.equal(body.complete, false);
});

test('a replica that reads no shard reports who reads each, and its lag', async (t) => {
  const parts = await build(t);
  const admin = await parts.signIn('admin');
  parts.consumer({ replica: 'audit-7' }).start();
  const shards = async () =>
    (await parts.get('/api/audit/completeness', admin)).json<Answer>().stream.shards;
  await until(
    async () =>
      (await shards()).every(({ holder, lag_ms: lag }) => holder === 'audit-7' && lag === 0) &&
      (await shards()).length === 2,
  );
});

test('only an operator may ask', async (t) => {
  const parts = await build(t);
  t.equal(
    (await parts.get('/api/audit/completeness', await parts.signIn('customer'))).statusCode,
    403,
  );
  t.equal((await parts.get('/api/audit/completeness')).statusCode, 401);
});
