import { Registry } from 'prom-client';
import { test } from 'tap';
import { createDatabase } from '@muniment/database';
import { measureTrail } from '../../completeness/trail-metrics.ts';
import { createTrailWatch } from '../../completeness/trail-watch.ts';
import type { Tables } from '../../tables.ts';
import { STREAM, startParts, type Parts } from '../parts.ts';
import { sql } from 'kysely';

function listening(parts: Parts, replica: string) {
  const said: string[] = [];
  const log = {
    info: (details: object, message: string) =>
      void said.push(`${message} ${JSON.stringify(details)}`),
    warn: (details: object, message: string) =>
      void said.push(`${message} ${JSON.stringify(details)}`),
  };
  return {
    said,
    watch: createTrailWatch({ db: parts.db, stream: STREAM, replica, log, alarmAfterMs: 60_000 }),
  };
}

const age = ({ db }: Parts) =>
  sql`update audit.holes set first_seen = first_seen - interval '61 seconds'`.execute(db);
const assign = ({ producer }: Parts, lane: number, last: number) =>
  sql`update identity.outbox_lanes set last_seq = ${last} where lane = ${lane}`.execute(producer);
const receive = ({ db }: Parts, lane: number, numbers: string) =>
  sql`
    update audit.lanes set received = ${numbers}::int8multirange
    where source = 'user' and lane = ${lane}`.execute(db);
const notes = async ({ db }: Parts) =>
  (
    await db.selectFrom('audit.holes').select(['lane', 'numbers']).orderBy('first_seen').execute()
  ).map(({ lane, numbers }) => `${lane} ${numbers}`);

test('one replica logs an old hole once, and its closing once', async (t) => {
  const parts = await startParts(t);
  const [one, other] = [listening(parts, 'a'), listening(parts, 'b')];
  const look = async () => {
    for (const { watch } of [one, other]) await watch.checkOnce();
  };
  await assign(parts, 3, 10);
  await receive(parts, 3, '{[1,4),[6,11)}');
  await look();
  t.same(one.said, [], 'it may still be on its way');
  await age(parts);
  await look();
  await look();
  t.equal(one.said.length, 1);
  t.match(one.said[0], /a hole in the trail.*"lane":3.*\[4,6\)/);
  await receive(parts, 3, '{[1,11)}');
  await look();
  await look();
  t.match(one.said, [/a hole/, /closed/]);
  t.same(other.said, []);
  t.same(await notes(parts), []);
});

test('each missing number keeps its first time, however the ranges around it change', async (t) => {
  const parts = await startParts(t);
  const { watch } = listening(parts, 'a');
  await assign(parts, 3, 10);
  await receive(parts, 3, '{[1,4),[8,11)}');
  await watch.checkOnce();
  await age(parts);
  await assign(parts, 3, 20);
  await receive(parts, 3, '{[1,5),[8,11)}');
  await watch.checkOnce();
  t.same(await notes(parts), ['3 {[5,8)}', '3 {[11,21)}']);
  const holes =
    watch
      .latest()
      ?.state.sources.find(({ source }) => source === 'user')
      ?.lanes.flatMap((lane) => lane.holes) ?? [];
  t.match(holes, [
    { from: 5, to: 7 },
    { from: 11, to: 20 },
  ]);
  t.ok((holes[0]?.age_seconds ?? 0) > 60);
  t.ok(
    (holes[1]?.age_seconds ?? 99) < 60,
    'what was assigned now is not as old as the hole before it',
  );
  t.match(watch.latest()?.alarms, [{ code: 'hole_lost' }]);
});

test('every replica reports a hole, except while the database is away', async (t) => {
  const parts = await startParts(t);
  const { db } = createDatabase<Tables>({
    url: parts.database.url('audit_service'),
    applicationName: 'test-watch',
  });
  const [holder, other] = [
    listening(parts, 'a').watch,
    createTrailWatch({ db, stream: STREAM, replica: 'b', log: { info() {}, warn() {} } }),
  ];
  const registry = new Registry();
  measureTrail(other, registry);
  await holder.checkOnce();
  await other.checkOnce();
  await t.resolves(other.check.check());
  t.equal(other.check.critical, false);
  t.match(await registry.metrics(), /^muniment_trail_complete 1$/m);
  await assign(parts, 3, 2);
  await receive(parts, 3, '{[2,3)}');
  await holder.checkOnce();
  await age(parts);
  await other.checkOnce();
  await t.rejects(other.check.check(), /lacks 1/);
  const text = await registry.metrics();
  t.match(text, /^muniment_trail_complete 0$/m);
  t.match(text, /^muniment_trail_alarms\{code="hole_lost"\} 1$/m);
  t.match(text, /^muniment_trail_hole_seconds\{source="user"\} 6\d/m);
  t.match(text, /^muniment_trail_missing\{source="user"\} 1$/m);
  await db.destroy();
  await t.rejects(other.checkOnce());
  t.match(await registry.metrics(), /^muniment_trail_complete (NaN|nan)$/im);
});
