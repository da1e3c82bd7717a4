import { execFileSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { PASSWORD, runScript, startFleet } from '../e2e/fleet.ts';
import { isProblem } from '../e2e/problems.ts';
import { openDatabase, trailGaps } from '../e2e/stores.ts';
import { provenSizes } from '../e2e/traces.ts';

/** Copies with owner and mode, which PostgreSQL checks. */
const copyFolder = (from: string, to: string): void => void execFileSync('cp', ['-a', from, to]);

test('an erasure is repeated on a backup restored from before it', async (t) => {
  const fleet = await startFleet(t, { REPLICAS: '1', DURABLE: 'off' });
  const rows = await openDatabase(t, fleet);
  const [ada, eve] = [await fleet.signUp(), await fleet.signUp()];
  const login = (who: typeof ada) =>
    fleet.call('POST', '/api/users/login', { json: { email: who.user.email, password: PASSWORD } });
  const readable = async (token: string) =>
    (await fleet.trail(token)).map(({ id, action, ip }) => ({ id, action, ip }));
  const settled = (what: string) =>
    until(async () => (await trailGaps(rows)).length === 0, { what });
  await settled('the trail is complete');
  const before = await until(
    async () => {
      const found = [await readable(ada.token), await readable(eve.token)];
      return found.every((entries) => entries.length > 0) && found;
    },
    { what: 'both see their entry', timeoutMs: timeBound(10_000) },
  );
  t.ok(before.flat().every(({ ip }) => ip === '127.0.0.1'));
  const proven = await until(
    async () => {
      const sizes = await provenSizes(fleet, rows);
      return sizes.length > 0 && sizes;
    },
    { what: 'a checkpoint', timeoutMs: timeBound(10_000) },
  );

  const { environments } = await fleet.describe();
  const keyFile = environments.audit.MASTER_KEY_FILE ?? '';
  const oldKey = await readFile(keyFile, 'utf8');
  t.match(
    await runScript('scripts/keys/rotate-master-key.ts', { DATA: fleet.dataDir }),
    /[1-9]\d* keys are wrapped by the new master key/,
  );
  t.not(await readFile(keyFile, 'utf8'), oldKey);
  t.match(
    await runScript('scripts/keys/rotate-subject-keys.ts', {
      DATA: fleet.dataDir,
      SUBJECT: ada.user.id,
    }),
    /1 subject has a new key/,
  );
  t.equal((await login(ada)).status, 200);
  t.equal((await fleet.signUp()).user.email.length > 0, true, 'new keys are made');
  await settled('the trail is complete again');
  const after = [await readable(ada.token), await readable(eve.token)];
  for (const [index, entries] of before.entries())
    t.strictSame(after[index]?.slice(0, entries.length), entries, 'what was readable is as it was');
  t.ok(
    (
      await until(
        async () => {
          const entries = await readable(ada.token);
          return entries.length > (before[0]?.length ?? 0) && entries;
        },
        { what: 'the new entry', timeoutMs: timeBound(10_000) },
      )
    ).every(({ ip }) => ip === '127.0.0.1'),
    'and what is new is readable, under a new key',
  );
  t.strictSame(
    (await provenSizes(fleet, rows)).slice(0, proven.length),
    proven,
    'every signed checkpoint verifies',
  );

  await fleet.down();
  const backup = join(fleet.dataDir, 'backup');
  copyFolder(join(fleet.dataDir, 'postgres'), backup);
  await fleet.up();
  t.strictSame(
    (await readable(eve.token)).slice(0, before[1]?.length),
    before[1],
    'also after a start under the new key alone',
  );

  t.equal(
    (
      await fleet.call('DELETE', '/api/users/me', {
        token: ada.token,
        json: { password: PASSWORD },
      })
    ).status,
    204,
  );
  const erased = () =>
    until(
      async () =>
        (
          await rows(
            `select from shared.erasures
             where user_id = $1 and identity_done and files_done and audit_done`,
            [ada.user.id],
          )
        ).length === 1,
      { what: 'the erasure is done' },
    );
  await erased();

  await fleet.down();
  for (const folder of ['postgres', 'kinesis'])
    await rm(join(fleet.dataDir, folder), { recursive: true });
  copyFolder(backup, join(fleet.dataDir, 'postgres'));
  await fleet.up();
  await erased();
  t.strictSame(
    await rows('select from identity.users where id = $1', [ada.user.id]),
    [],
    'the account is gone again',
  );
  t.strictSame(
    await rows('select from keys.subject_keys where subject = $1', [ada.user.id]),
    [],
    'and so are its keys',
  );
  await isProblem(
    t,
    await fleet.call('GET', '/api/users/me', { token: ada.token }),
    401,
    'unauthenticated',
    'its token',
  );
  await isProblem(t, await login(ada), 401, 'invalid_credentials', 'its password');
  t.equal((await login(eve)).status, 200, 'the other one is there');
  await settled('the trail is complete after the restore');
  t.strictSame(
    (
      await rows<{ action: string }>(
        `select action from audit.events
         where resource = $1 and action in ('USER_DELETED', 'SUBJECT_ERASED') order by action`,
        [ada.user.id],
      )
    ).map(({ action }) => action),
    ['SUBJECT_ERASED', 'USER_DELETED'],
    'each an event, once',
  );
});
