import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { timeBound, until } from '@muniment/testing';
import { effectsAreRecorded, recordEffects } from './effects.ts';
import { PASSWORD, startFleet, type Fleet, type FleetProcess, type OwnFleet } from './fleet.ts';
import { isAcknowledged, startLoad } from './load.ts';
import { findProcess, isReady } from './processes.ts';
import { openDatabase } from './stores.ts';

/** Of six replicas each. `make test-long` restarts 24 in a row, which takes three minutes. */
const ROUNDS = Number(process.env['ROLLING_ROUNDS'] ?? timeBound(4, 1));
const REQUESTS = 16;
/** From the requests to the stop: some wait, some are worked on, some are answered. */
const STOPS_AFTER_MS = [90, 160, 60, 120, 200].slice(0, timeBound(5, 2));
/** A stop never answers 503. A starved machine may, and its clients ask again. */
const TRIES = timeBound(1, 3);

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function untilReady(fleet: Fleet, names: string[]): Promise<void> {
  await until(
    async () =>
      (await Promise.all(names.map(async (name) => isReady(await findProcess(fleet, name))))).every(
        Boolean,
      ),
    { what: `${names.join(' and ')} are ready` },
  );
}

/** @returns the status that the client ends with */
async function statusOf(request: () => Promise<Response>): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await request();
    await answer.text();
    if (answer.status !== 503 || attempt >= TRIES) return answer.status;
    await sleep(Number(answer.headers.get('retry-after')) * 1_000);
  }
}

/** Stops a replica while requests are under way. @returns their answers and when the stop ended */
async function stopUnder(
  replica: FleetProcess,
  { afterMs, send }: { afterMs: number; send(index: number): Promise<number> },
): Promise<{ statuses: number[]; endedMs: number }> {
  let lastAnswer = 0;
  const answers = Promise.all(
    Array.from({ length: REQUESTS }, async (_, index) => {
      const status = await send(index);
      lastAnswer = performance.now();
      return status;
    }),
  );
  await sleep(afterMs);
  process.kill(replica.pid, 'SIGTERM');
  const stopped = performance.now();
  const ended = until(() => !isAlive(replica.pid) && performance.now(), {
    what: `${replica.name} ends`,
  });
  const statuses = await answers;
  return { statuses, endedMs: (await ended) - Math.max(lastAnswer, stopped) };
}

async function stopReplicas(t: Test, fleet: Fleet): Promise<void> {
  const account = await fleet.signUp();
  const bytes = 'x'.repeat(200_000);
  const json = { email: account.user.email, password: PASSWORD };
  const signIn = (): Promise<number> => statusOf(() => fleet.call('POST', '/login', { json }));
  const upload = (index: number): Promise<number> =>
    statusOf(() => fleet.upload(account.token, `file-${index}`, bytes));
  for (const afterMs of STOPS_AFTER_MS)
    for (const { name, send, status } of [
      { name: 'user-1', send: signIn, status: 200 },
      { name: 'file-1', send: upload, status: 201 },
    ]) {
      await untilReady(fleet, [name, name.replace('1', '2')]);
      const replica = await findProcess(fleet, name);
      const { statuses, endedMs } = await stopUnder(replica, { afterMs, send });
      t.strictSame(
        statuses,
        Array.from({ length: REQUESTS }, () => status),
        `${name}, stopped after ${afterMs} ms`,
      );
      t.ok(endedMs < timeBound(1_000), `it ended ${Math.round(endedMs)} ms behind the last answer`);
      await until(async () => (await findProcess(fleet, name)).pid !== replica.pid, {
        what: `${name} is back`,
      });
    }
}

/** The gateway's log lines of failed requests, which name the replicas that it tried. */
async function failuresOf(fleet: Fleet): Promise<string[]> {
  const log = await readFile(join(fleet.dataDir, 'nginx/access.log'), 'utf8');
  return log.split('\n').filter((line) => /"status":5/.test(line));
}

/** Reads a stream of events again and again, as browsers do. @returns how often it ended */
async function followTrail(fleet: Fleet, token: string, signal: AbortSignal): Promise<number> {
  let ends = 0;
  while (!signal.aborted) {
    try {
      const answer = await fleet.call('GET', '/api/audit/stream', { token, signal });
      await answer.text();
      ends += 1;
    } catch {
      await sleep(50);
    }
  }
  return ends;
}

/** Holds a WebSocket open, and opens it again. @returns the close codes */
async function holdSocket(fleet: Fleet, signal: AbortSignal): Promise<number[]> {
  const codes: number[] = [];
  while (!signal.aborted) {
    const socket = new WebSocket(`${fleet.url.replace('http', 'ws')}/ws`);
    const closed = new Promise<number>((resolve) => {
      socket.addEventListener('close', ({ code }) => resolve(code));
      signal.addEventListener('abort', () => socket.close(1000), { once: true });
    });
    codes.push(await closed);
  }
  return codes;
}

async function restartUnderLoad(t: Test, fleet: OwnFleet): Promise<void> {
  const rows = await openDatabase(t, fleet);
  await recordEffects(rows);
  const accounts = await Promise.all(Array.from({ length: 4 }, () => fleet.signUp()));
  const ending = new AbortController();
  const reader = await fleet.signUp();
  const streams = followTrail(fleet, reader.token, ending.signal);
  const sockets = holdSocket(fleet, ending.signal);
  const load = startLoad(fleet, { accounts, reads: ['profile', 'list', 'download', 'trail'] });
  const stops: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const output = await fleet.rollingRestart();
    stops.push(...Array.from(output.matchAll(/stopped after ([\d.]+) s/g), ([, s]) => Number(s)));
  }
  await until(() => load.ledger.writes.length > 100 * ROUNDS, { what: 'there is a load' });
  const ledger = await load.stop();
  ending.abort();
  t.comment(
    `${stops.length} stops, the longest ${Math.max(...stops)} s; ${ledger.reads.length} reads, ` +
      `${ledger.writes.length} changes; slowest answer ${Math.round(ledger.slowest)} ms`,
  );
  t.equal(stops.length, ROUNDS * 6, 'each replica stopped in each round');
  t.ok(Math.max(...stops) < timeBound(5_000) / 1_000, 'sockets and streams end within 5 s');
  for (const line of await failuresOf(fleet)) t.comment(line);
  t.strictSame(ledger.strange, [], 'no answer was lost');
  t.strictSame(
    [...ledger.reads, ...ledger.writes]
      .filter((answer) => !isAcknowledged(answer))
      .filter(({ status }) => TRIES === 1 || status !== 503),
    [],
    'every request succeeded',
  );
  t.ok(ledger.writes.length > 100 * ROUNDS, 'there was a load');
  t.ok((await streams) > 0, 'a stream was ended by a stop');
  t.ok((await sockets).includes(1012), 'a socket was told that the replica stops');
  await effectsAreRecorded(t, rows, ledger);
}

/** `make down` stops the gateway first, which waits for its sockets and streams. */
async function stopAll(t: Test, fleet: OwnFleet): Promise<void> {
  const { token } = await fleet.signUp();
  const stream = await fleet.call('GET', '/api/audit/stream', { token });
  const socket = new WebSocket(`${fleet.url.replace('http', 'ws')}/ws`);
  await new Promise((resolve) => socket.addEventListener('open', resolve));
  const began = performance.now();
  const closed = new Promise<number>((resolve) =>
    socket.addEventListener('close', ({ code }) => resolve(code)),
  );
  const ends = Promise.all([closed, stream.text()]).then(([code, text]) => ({
    code,
    text,
    endedMs: Math.round(performance.now() - began),
  }));
  await fleet.down();
  const { code, text, endedMs } = await ends;
  t.equal(code, 1012);
  t.match(text, /event: end\ndata: {"reason":"shutting_down",.*}\n\n$/);
  t.ok(endedMs < timeBound(5_000), `after ${endedMs} ms`);
}

test('a restart of replicas loses no request', async (t) => {
  t.setTimeout(60_000 + ROUNDS * 90_000 + STOPS_AFTER_MS.length * 40_000);
  const fleet = await startFleet(t, { DURABLE: 'off' });
  await t.test('rolling restarts under load, and each stop is orderly', (t) =>
    restartUnderLoad(t, fleet),
  );
  await t.test('a stop under requests ends with the last answer', (t) => stopReplicas(t, fleet));
  await t.test('make down ends sockets and streams in words', (t) => stopAll(t, fleet));
});
