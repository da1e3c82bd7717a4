import type { Test } from 'tap';
import { timeBound, until, type Rows } from '@muniment/testing';
import type { Fleet } from './fleet.ts';
import { findProcess, isReady, kill } from './processes.ts';

const USERS = 2_000;
const REPLICAS = ['user-1', 'user-2'];

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, n) => `{"email":"import-${from + n}@example.com"}\n`).join(
    '',
  );

/** Half of a file, then nothing until `end` is called. */
function sendHalf(): { body: ReadableStream<Uint8Array>; end(): void } {
  let end = (): void => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(lines(0, USERS / 2)));
      end = () => controller.close();
    },
  });
  return { body, end: () => end() };
}

async function signUpAdministrator(fleet: Fleet, rows: Rows): Promise<string> {
  const { user, token } = await fleet.signUp();
  await rows(`update identity.users set type = 'admin' where id = $1`, [user.id]);
  return token;
}

async function killReplicas(fleet: Fleet): Promise<void> {
  const killed = await Promise.all(REPLICAS.map((name) => findProcess(fleet, name)));
  for (const { pid } of killed) kill(pid);
  await until(
    async () => {
      const now = await Promise.all(REPLICAS.map((name) => findProcess(fleet, name)));
      const areNew = now.every(({ pid }) => killed.every((before) => before.pid !== pid));
      return areNew && (await Promise.all(now.map(isReady))).every(Boolean);
    },
    { what: 'the replicas are back', timeoutMs: timeBound(20_000) },
  );
}

/** Kills every replica during an import, sends the file again, and counts users and events. */
export async function resumeKilledImport(t: Test, fleet: Fleet, rows: Rows): Promise<void> {
  const token = await signUpAdministrator(fleet, rows);
  const imported = async (): Promise<number> =>
    (await rows(`select from identity.users where email like 'import-%'`)).length;
  const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': 'killed-import' };
  const { body, end } = sendHalf();
  const request = {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { ...headers, authorization: `Bearer ${token}` },
  };
  const first = fetch(`${fleet.url}/api/users/import`, request as RequestInit).then(
    ({ status }) => status,
    () => 'cut off',
  );
  await until(async () => (await imported()) >= USERS / 4, { what: 'a quarter is imported' });
  await killReplicas(fleet);
  end();
  t.match(await first, /^(502|504|cut off)$/, 'the first attempt failed');
  t.ok((await imported()) < USERS, 'in the middle');
  const answer = await fleet.call('POST', '/api/users/import', {
    token,
    body: lines(0, USERS),
    headers,
  });
  const report = (await answer.text()).trim().split('\n');
  const last = JSON.parse(report.at(-1) ?? '') as { summary: Record<string, number> };
  t.match(last.summary, { rows: USERS, refused: 0 });
  t.ok((last.summary['existing'] ?? 0) >= USERS / 4, 'the first half was there');
  t.equal(await imported(), USERS);
  const events = async () =>
    rows<{ all: number; users: number }>(
      `select count(*)::int as all, count(distinct resource)::int as users from audit.events
       where action = 'USER_CREATED'`,
    );
  await until(async () => ((await events())[0]?.all ?? 0) >= USERS, { what: 'events are stored' });
  t.strictSame(await events(), [{ all: USERS, users: USERS }], 'each user has one event');
}
