import { setTimeout as sleep } from 'node:timers/promises';
import { EventSource } from 'eventsource';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { startFleet, type AuditLog } from './fleet.ts';
import { findProcess, kill } from './processes.ts';
import { openDatabase } from './stores.ts';

test('a stream shows everything once and in order while replicas are killed', async (t) => {
  const fleet = await startFleet(t, { DURABLE: 'off', RELAY_RESEND_AFTER_MS: '3000' });
  const rows = await openDatabase(t, fleet);
  const ada = await fleet.signUp();
  let ended = 0;
  let connections = 0;
  const source = new EventSource(`${fleet.url}/api/audit/stream?after=-1`, {
    // EventSource gives up after a 502 or 503, which the gateway sends during a restart.
    fetch: async (input, init) => {
      for (;;) {
        const answer = await fetch(input, {
          ...init,
          headers: { ...init.headers, authorization: `Bearer ${ada.token}` },
        });
        if (answer.status < 500) return answer;
        await sleep(200);
      }
    },
  });
  t.teardown(() => source.close());
  source.addEventListener('open', () => {
    connections += 1;
  });
  source.addEventListener('error', () => {
    ended += 1;
  });
  const got: { index: number; id: string }[] = [];
  source.addEventListener('audit', ({ data, lastEventId }: { data: string; lastEventId: string }) =>
    got.push({ index: Number(lastEventId), id: (JSON.parse(data) as AuditLog).id }),
  );

  const deadline = performance.now() + 8_000;
  let changes = 0;
  const acting = (async () => {
    for (; performance.now() < deadline; changes += 1) {
      const answer = await fleet.call('PATCH', '/api/users/me', {
        token: ada.token,
        json: { name: `name ${changes}` },
      });
      t.equal(answer.status, 200);
    }
  })();
  for (const name of ['audit-1', 'audit-2', 'audit-1']) {
    await sleep(2_000);
    kill((await findProcess(fleet, name)).pid);
  }
  await acting;

  interface Sealed {
    index: string;
    id: string;
  }
  const sealed = (): Promise<Sealed[]> =>
    rows<Sealed>(
      `select index, event_id as id from audit.sealed join audit.events e on e.id = event_id
       where subject = $1 or user_id = $1::uuid order by index`,
      [ada.user.id],
    );
  const expected = await until(
    async () => {
      const all = await sealed();
      return all.length >= changes + 1 && got.length >= all.length && all;
    },
    { what: 'all changes are sealed and streamed' },
  );
  t.strictSame(
    got,
    expected.map(({ index, id }) => ({ index: Number(index), id })),
    `${got.length} events, none lost, none doubled, in order`,
  );
  t.ok(connections >= 2, `${connections} connections, ${ended} broken`);

  const before = ended;
  const out = performance.now();
  t.equal((await fleet.call('POST', '/api/auth/logout', { token: ada.token })).status, 204);
  await until(async () => ended > before, { what: 'the stream ends', timeoutMs: timeBound(3_000) });
  t.ok(
    performance.now() - out < timeBound(1_200),
    `ended ${Math.round(performance.now() - out)} ms after the request to log out was sent`,
  );
});
