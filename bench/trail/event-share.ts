import { randomUUID } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import { createEventPreparer } from '@muniment/audit-events';
import { createTransactions } from '../../packages/server/src/audit/transactions.ts';
import type { Fleet } from '../../test/e2e/fleet.ts';
import type { Measurement } from '../report.ts';
import { percentile, type Trail } from './open-trail.ts';

const UPDATES = 300;
const REQUEST = {
  id: 'bench',
  ip: '192.0.2.1',
  headers: { 'user-agent': 'bench' },
  principal: null,
  traceparent: null,
};

/** The transaction of a profile update, with its event or without. */
function createUpdate(trail: Trail, userId: string): (withEvent: boolean) => Promise<unknown> {
  const prepareEvent = createEventPreparer({ source: 'user', subjectKeys: trail.subjectKeys });
  const { inTransaction } = createTransactions(trail.producer, {
    revalidatePrincipal: async () => undefined,
    schema: 'identity',
    prepareEvent,
    onCommit: () => {},
  });
  const rename = (trx: Kysely<unknown>) =>
    sql`
      update identity.users set name = ${randomUUID()}, updated = now()
      where id = ${userId} returning *`.execute(trx);
  return (withEvent) =>
    withEvent
      ? inTransaction(REQUEST, async (trx, record) => {
          await rename(trx);
          return record({
            action: 'USER_UPDATED',
            user_id: userId,
            subject: { userId },
            personal: { email: 'ada@example.com' },
            resource: userId,
            resource_type: 'user',
          });
        })
      : trail.producer.transaction().execute(rename);
}

async function sendUpdate(fleet: Fleet, token: string, name: string): Promise<void> {
  const answer = await fleet.call('PATCH', '/api/users/me', { token, json: { name } });
  if (answer.status !== 200) throw new Error(`A profile update answered ${answer.status}.`);
  await answer.arrayBuffer();
}

async function measureMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Measures the share of the event in a profile update: with and without it, in turns. */
export async function measureEventShare(fleet: Fleet, trail: Trail): Promise<Measurement[]> {
  const { user, token } = await fleet.signUp();
  const update = createUpdate(trail, user.id);
  const times = { with: [] as number[], without: [] as number[], request: [] as number[] };
  for (let n = 0; n < UPDATES; n += 1) {
    times.with.push(await measureMs(() => update(true)));
    times.without.push(await measureMs(() => update(false)));
    times.request.push(await measureMs(() => sendUpdate(fleet, token, `name ${n}`)));
  }
  const added = percentile(times.with, 0.5) - percentile(times.without, 0.5);
  const request = percentile(times.request, 0.5);
  return [
    {
      what: 'an event adds to a profile update',
      value: (100 * added) / (request - added),
      unit: '%',
      goal: { atMost: 15 },
      beside: `${added.toFixed(2)} ms of ${request.toFixed(2)} ms (p50, one at a time)`,
    },
  ];
}
