import type { AuditEvent } from '@muniment/audit-events';
import { uuidv7 } from '@muniment/database';
import { insertEvents } from '../event-store/event-queries.ts';
import type { TestServer } from './build.ts';
import { anEvent } from './records.ts';
import { sealStored } from './sealing/seal-stored.ts';

/** Inserts events into the sealed log without keys of personal values. @returns them in order */
export async function fillLog(
  { db }: Pick<TestServer, 'db'>,
  count: number,
  more: (n: number) => Partial<AuditEvent> = () => ({}),
): Promise<AuditEvent[]> {
  const began = Date.now() - count;
  const events = Array.from({ length: count }, (_, n) =>
    anEvent({
      id: uuidv7(began + n),
      timestamp: new Date(began + n).toISOString(),
      seq: n + 1,
      ...more(n),
    }),
  );
  for (let at = 0; at < count; at += 1_000)
    await db.transaction().execute((trx) => insertEvents(trx, events.slice(at, at + 1_000)));
  await sealStored(
    db,
    events.map(({ id }) => id),
  );
  const sealed = await db.selectFrom('audit.sealed').select(['event_id', 'index']).execute();
  const indexes = new Map(sealed.map(({ event_id: id, index }) => [id, index]));
  return events.toSorted((a, b) => (indexes.get(a.id) ?? 0) - (indexes.get(b.id) ?? 0));
}
