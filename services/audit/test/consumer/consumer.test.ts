import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { test } from 'tap';
import { startParts, storedIds, until } from '../parts.ts';

test('what is recorded arrives in the log once, and the outbox empties only after it', async (t) => {
  const parts = await startParts(t);
  parts.relay().start();
  parts.consumer().start();
  const ids: string[] = [];
  for (let n = 0; n < 200; n += 1) ids.push(await parts.record({ subject: { userId: randomUUID() } }));
  await until(async () => (await storedIds(parts.db)).length === 200);
  t.same(await storedIds(parts.db), ids.toSorted());
  await until(async () => (await sql<{ rows: number }>`select count(*) as rows from identity.outbox`.execute(parts.producer)).rows[0]?.rows === 0);
});
