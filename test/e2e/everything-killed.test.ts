import { test } from 'tap';
import { until } from '@muniment/testing';
import { effectsAreRecorded, recordEffects } from './effects.ts';
import { startFleet } from './fleet.ts';
import { isAcknowledged, startLoad } from './load.ts';
import { descendants, kill, readState } from './processes.ts';
import { openDatabase } from './stores.ts';

test('a fleet killed whole comes back with every acknowledged change', async (t) => {
  const fleet = await startFleet(t, { RELAY_RESEND_AFTER_MS: '3000' });
  const rows = await openDatabase(t, fleet);
  await recordEffects(rows);
  const accounts = await Promise.all(Array.from({ length: 4 }, () => fleet.signUp()));
  const load = startLoad(fleet, { accounts, reads: ['profile', 'download'] });
  await until(async () => load.ledger.writes.filter(isAcknowledged).length > 30, {
    what: 'there is a load',
    timeoutMs: 60_000,
  });

  const pids = descendants((await readState(fleet)).supervisor.pid);
  for (const pid of pids) kill(pid);
  const told = structuredClone(load.ledger);
  await load.stop();
  t.ok(pids.length > 20, `${pids.length} processes were killed`);
  await t.rejects(fleet.call('GET', '/health'), 'nobody answers');
  await fleet.up();

  const acknowledged = told.writes.filter(isAcknowledged);
  t.comment(
    `acknowledged before: ${acknowledged.length} changes and ` +
      `${told.reads.filter(isAcknowledged).length} reads`,
  );
  for (const { token, user } of accounts) {
    const answer = await fleet.call('GET', '/api/users/me', { token });
    t.equal(answer.status, 200, 'the session is still good');
    t.match(await answer.json(), { id: user.id });
  }
  await effectsAreRecorded(t, rows, told);
  const downloads = told.reads.filter(
    (read) => read.kind === 'download' && isAcknowledged(read),
  ).length;
  const [{ events } = { events: 0 }] = await rows<{ events: number }>(
    `select count(*)::int as events from audit.events where action = 'FILE_DOWNLOAD'`,
  );
  // At most one download per client was recorded before its first byte was sent.
  t.ok(
    events >= downloads && events <= downloads + accounts.length,
    `${events} downloads in the trail, ${downloads} answered before`,
  );
  const files = (await (
    await fleet.call('GET', '/api/files?limit=200', { token: accounts[0]?.token ?? '' })
  ).json()) as { id: string; name: string }[];
  for (const { id, name } of files.slice(0, 5)) {
    t.equal(
      await (
        await fleet.call('GET', `/api/files/${id}`, { token: accounts[0]?.token ?? '' })
      ).text(),
      `bytes of ${name}`,
      'the bytes are there',
    );
  }
  t.ok(files.length > 0);
});
