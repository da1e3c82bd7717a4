import { test } from 'tap';
import { until } from '@muniment/testing';
import { createObjectBatches } from '../../object-batches/object-batches.ts';
import { build, type Fixture } from '../build.ts';

const open = ({ files }: Fixture, beatMs: number) =>
  createObjectBatches({ db: files.data.db, beatMs, log: files.http.log });

const rowsOf = ({ query }: Fixture): Promise<{ id: string; updated: Date }[]> =>
  query('select id, updated from files.object_batches');

test('uploads share one batch, whose row exists before their keys', async (t) => {
  const fixture = await build(t);
  const batches = open(fixture, 60_000);
  const objects = await Promise.all(Array.from({ length: 5 }, () => batches.join()));
  const rows = await rowsOf(fixture);
  t.equal(rows.length, 1);
  for (const { key, batchId } of objects) {
    t.equal(batchId, rows[0]?.id);
    t.ok(key.startsWith(`${batchId}.`));
  }
  t.equal(new Set(objects.map(({ key }) => key)).size, 5);
  for (const object of objects) object.leave(true);
  t.equal((await rowsOf(fixture)).length, 1, 'the next upload needs none of its own');
  await batches.close();
  t.strictSame(await rowsOf(fixture), [], 'a stop leaves none');
});

test('a batch lives while an upload is in progress, and ends at rest', async (t) => {
  const fixture = await build(t);
  const batches = open(fixture, 50);
  const object = await batches.join();
  const [first] = await rowsOf(fixture);
  await until(async () => (await rowsOf(fixture))[0]!.updated > first!.updated, {
    what: 'a heartbeat',
  });
  await until(
    async () => {
      const [row] = await rowsOf(fixture);
      return row !== undefined && Date.now() - first!.updated.getTime() > 300;
    },
    { what: 'it outlives several heartbeats' },
  );
  object.leave(true);
  await until(async () => (await rowsOf(fixture)).length === 0, { what: 'it has ended' });
  await batches.close();
});

test('a batch in doubt keeps its row for the cleanup, and takes no more uploads', async (t) => {
  const fixture = await build(t);
  const batches = open(fixture, 50);
  const [doubtful, other] = [await batches.join(), await batches.join()];
  doubtful.leave(false);
  const next = await batches.join();
  t.not(next.batchId, doubtful.batchId);
  other.leave(true);
  next.leave(true);
  await batches.close();
  t.match(await rowsOf(fixture), [{ id: doubtful.batchId }]);
  t.equal((await rowsOf(fixture)).length, 1);
});

test('without the database no upload begins, and the next one tries again', async (t) => {
  const fixture = await build(t);
  const batches = open(fixture, 60_000);
  await fixture.query('alter table files.object_batches rename to away');
  await t.rejects(Promise.all([batches.join(), batches.join()]));
  await fixture.query('alter table files.away rename to object_batches');
  t.ok((await batches.join()).key);
  await batches.close();
});
