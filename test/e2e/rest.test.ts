import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { startFleet } from './fleet.ts';
import { openDatabase } from './stores.ts';

/** Loops slow down when nothing was recorded for ten seconds. */
const REST_MS = timeBound(60_000, 12_000);
const RESTS = timeBound(5, 1);

const SEALED_CHANGES = `
  select from audit.events e join audit.sealed s on s.event_id = e.id
  where e.action = 'USER_UPDATED'`;

test('the first event after a rest is in the sealed trail as soon as others', async (t) => {
  t.setTimeout(60_000 + RESTS * (REST_MS + 10_000));
  const fleet = await startFleet(t, { DURABLE: 'off', REPLICAS: '1' });
  const rows = await openDatabase(t, fleet);
  const { token } = await fleet.signUp();
  const latencies: number[] = [];
  for (let rest = 0; rest < RESTS; rest += 1) {
    await sleep(REST_MS);
    const name = `rest ${rest}`;
    const answer = await fleet.call('PATCH', '/api/users/me', { token, json: { name } });
    const answered = performance.now();
    t.equal(answer.status, 200);
    await until(async () => (await rows(SEALED_CHANGES)).length > rest, {
      what: 'the event is sealed',
    });
    latencies.push(performance.now() - answered);
  }
  const median = latencies.toSorted((a, b) => a - b)[Math.floor(RESTS / 2)] ?? NaN;
  t.ok(median <= timeBound(300), `${latencies.map(Math.round).join(', ')} ms`);
});
