import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { effectsAreRecorded, recordEffects, slowCommits } from './effects.ts';
import { startFleet } from './fleet.ts';
import { resumeKilledImport } from './killed-import.ts';
import { isAcknowledged, startLoad } from './load.ts';
import { findProcess, isReady, kill } from './processes.ts';
import { openDatabase } from './stores.ts';

const KILLING_MS = 10_000;
const PAUSE_MS = 700;
const VICTIMS = ['user-1', 'file-1', 'audit-1', 'user-2', 'file-2', 'audit-2'];

test('killed replicas lose no acknowledged change and double none', async (t) => {
  const fleet = await startFleet(t, { DURABLE: 'off', RELAY_RESEND_AFTER_MS: '3000' });
  const rows = await openDatabase(t, fleet);
  await recordEffects(rows);
  await slowCommits(rows, 30);
  const accounts = await Promise.all(Array.from({ length: 5 }, () => fleet.signUp()));
  const load = startLoad(fleet, { accounts, reads: ['profile', 'list', 'download', 'trail'] });
  await sleep(1_000);

  const back: Promise<number>[] = [];
  for (
    const began = performance.now();
    performance.now() < began + KILLING_MS || back.length < VICTIMS.length;
  ) {
    const name = VICTIMS[back.length % VICTIMS.length] ?? '';
    // One at a time: a service without replicas cannot answer.
    await until(
      async () =>
        (
          await Promise.all(
            ['1', '2'].map(async (number) =>
              isReady(await findProcess(fleet, name.replace(/\d$/, number))),
            ),
          )
        ).every(Boolean),
      { what: `both replicas of ${name}'s service are ready` },
    );
    const { pid } = await findProcess(fleet, name);
    kill(pid);
    const killed = performance.now();
    back.push(
      until(
        async () => (await findProcess(fleet, name)).pid !== pid && performance.now() - killed,
        { what: `${name} is back`, timeoutMs: timeBound(10_000) },
      ),
    );
    await sleep(PAUSE_MS);
  }
  await until(() => load.ledger.writes.filter(isAcknowledged).length > 100, {
    what: 'there is a load',
  });
  const times = await Promise.all(back);
  await sleep(500);
  const ledger = await load.stop();

  const unacknowledged = ledger.writes.filter((write) => !isAcknowledged(write)).length;
  t.comment(
    `${times.length} killed, back after ${Math.round(Math.max(...times))} ms at most; ` +
      `${ledger.reads.length} reads, ${ledger.writes.length} changes, ` +
      `${unacknowledged} of them unacknowledged; slowest answer ${Math.round(ledger.slowest)} ms`,
  );
  t.ok(
    times.every((ms) => ms < timeBound(2_000)),
    `each is started again within two seconds: ${times.map(Math.round).join(' ')}`,
  );
  t.strictSame(
    ledger.reads.filter((read) => !isAcknowledged(read)),
    [],
    `none of ${ledger.reads.length} reads failed`,
  );
  // When a replica dies during a change, the gateway may answer 502 or 504 only.
  t.strictSame(
    ledger.strange.filter((line) => !/: 50[24] \{"type":/.test(line)),
    [],
    'no answer of another kind',
  );
  t.ok(ledger.writes.filter(isAcknowledged).length > 100, 'there was a load');
  await effectsAreRecorded(t, rows, ledger);
  const downloads = ledger.reads.filter(({ kind }) => kind === 'download').length;
  t.strictSame(
    await rows(
      `select count(*)::int as downloads from audit.events where action = 'FILE_DOWNLOAD'`,
    ),
    [{ downloads }],
    'a download that was tried again is one event',
  );
  await resumeKilledImport(t, fleet, rows);
});
