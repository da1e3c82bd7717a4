import pg from 'pg';
import { rowsOf } from '@muniment/testing';
import { findDenial, PERMISSION_NAMES, type Principal } from '@muniment/security';
import { insertCrowd } from '../../services/user/test/directory/crowd.ts';
import { PASSWORD, type Fleet, type SignedIn } from '../../test/e2e/fleet.ts';
import { load } from '../load/load.ts';
import { cpuMsOf } from '../peers/measure/process-tree.ts';
import type { Measurement } from '../report.ts';
import { percentile } from '../trail/open-trail.ts';
import { loadSockets } from './socket-load.ts';

const SECONDS = 4;
const ROUNDS = 3;
const CONNECTIONS = 10;
const FILES = 60;
/** Each sends 18 messages a second. */
const SOCKETS = 60;
const USERS = 20_000;
const CHECKS = 2_000_000;

interface Rate {
  cpuMs: number;
  perSecond: number;
}

const post = async <Answer>(fleet: Fleet, path: string, json: object, token?: string) => {
  const answer = await fleet.call('POST', path, { json, ...(token !== undefined && { token }) });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Answer;
};

interface Administrator {
  id: string;
  token: string;
  apiToken: string;
}

/** A full directory, an administrator with files, and an API token. */
async function prepare(fleet: Fleet): Promise<Administrator> {
  const { user, token: first } = await fleet.signUp();
  for (let n = 0; n < FILES; n += 1) {
    const { status } = await fleet.upload(first, `file-${n}.txt`, `file number ${n}`);
    if (status !== 201) throw new Error(`An upload answered ${status}.`);
  }
  const client = new pg.Client({ connectionString: (await fleet.describe()).postgres.url });
  await client.connect();
  await insertCrowd([rowsOf(client)], USERS);
  await client.query(`update identity.users set type = 'admin' where id = $1`, [user.id]);
  await client.end();
  const login = { email: user.email, password: PASSWORD };
  const { token } = await post<SignedIn>(fleet, '/api/users/login', login);
  const made = await post<{ token: string }>(
    fleet,
    '/api/auth/tokens',
    { name: 'bench', scopes: ['directory:read', 'profile:read'] },
    token,
  );
  return { id: user.id, token, apiToken: made.token };
}

/** CPU of the whole fleet for each answer, and answers per second. */
async function rateOf(fleet: Fleet, run: () => Promise<number>): Promise<Rate> {
  const pids = (await fleet.describe()).processes.map(({ pid }) => pid);
  const before = cpuMsOf(pids);
  const answers = await run();
  return { cpuMs: (cpuMsOf(pids) - before) / answers, perSecond: answers / SECONDS };
}

type Loads = Record<string, () => Promise<number>>;

/** Runs the loads in turns, so that a noisy neighbour slows all. */
async function measureInTurns(fleet: Fleet, loads: Loads): Promise<(name: string) => Rate> {
  const rates = new Map<string, Rate[]>(Object.keys(loads).map((name) => [name, []]));
  for (const run of Object.values(loads)) await run();
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [name, run] of Object.entries(loads))
      rates.get(name)?.push(await rateOf(fleet, run));
  const median = (name: string, of: (rate: Rate) => number): number =>
    percentile((rates.get(name) ?? []).map(of), 0.5);
  return (name) => ({
    cpuMs: median(name, ({ cpuMs }) => cpuMs),
    perSecond: median(name, ({ perSecond }) => perSecond),
  });
}

const describe = (one: Rate, other: Rate): string =>
  `${one.cpuMs.toFixed(2)} beside ${other.cpuMs.toFixed(2)} ms, ` +
  `${one.perSecond.toFixed(0)} beside ${other.perSecond.toFixed(0)}/s`;

/** CPU of the check alone, in µs: a session's, then that of an API token with every scope. */
function measureCheck(): [session: number, apiToken: number] {
  const principal = { id: '', role: 'admin', scopes: null } as unknown as Principal;
  const callers = [principal, { ...principal, scopes: [...PERMISSION_NAMES] }] as Principal[];
  return callers.map((caller) => {
    let allowed = 0;
    const { user: before } = process.cpuUsage();
    for (let n = 0; n < CHECKS; n += 1) {
      const permission = PERMISSION_NAMES[n % PERMISSION_NAMES.length] ?? 'profile:read';
      if (findDenial(caller, permission) === undefined) allowed += 1;
    }
    if (allowed === 0) throw new Error('Nothing was allowed.');
    return (process.cpuUsage().user - before) / CHECKS;
  }) as [number, number];
}

const WORDS = ['maria', 'kim', 'mar', 'anna smith', 'berg', 'gmail', 'mohamde', 'sofia garcia'];

/** The loads of a fleet, each by as many connections. */
function listLoads(fleet: Fleet, { id, token, apiToken }: Administrator): Loads {
  const get =
    (paths: readonly [string, ...string[]], bearer = token) =>
    async (): Promise<number> => {
      const { ok, failed } = await load({
        url: fleet.url + paths[0],
        requests: paths.map((path) => ({ path })),
        headers: { authorization: `Bearer ${bearer}` },
        connections: CONNECTIONS,
        seconds: SECONDS,
      });
      if (failed > 0) throw new Error(`${failed} requests for ${paths[0]} failed.`);
      return ok;
    };
  const [first = '', ...rest] = WORDS.map((q) => `/api/users/search?q=${encodeURIComponent(q)}`);
  const message = { channel: 'user/read', apiToken, payload: { id } };
  return {
    files: get(['/api/files?limit=50']),
    users: get(['/api/users?limit=50']),
    search: get([first, ...rest]),
    http: get([`/api/users/${id}`], apiToken),
    socket: () =>
      loadSockets({
        url: `${fleet.url.replace('http', 'ws')}/ws`,
        message: JSON.stringify(message),
        expected: id,
        sockets: SOCKETS,
        seconds: SECONDS,
      }),
  };
}

/** Sets lists and searches of users beside a list of files, and reads by WebSocket beside HTTP. */
export async function measureDirectory(fleet: Fleet): Promise<Measurement[]> {
  const rate = await measureInTurns(fleet, listLoads(fleet, await prepare(fleet)));
  const [files, users, search] = [rate('files'), rate('users'), rate('search')];
  const [http, socket] = [rate('http'), rate('socket')];
  const [ofSession, ofToken] = measureCheck();
  return [
    {
      what: 'list of 50 users / list of 50 files',
      value: users.cpuMs / files.cpuMs,
      unit: '× the CPU',
      goal: { atMost: 1.5 },
      beside: describe(users, files),
    },
    {
      what: 'search of users / list of 50 files',
      value: search.cpuMs / files.cpuMs,
      unit: '× the CPU',
      goal: { atMost: 2 },
      beside: `${describe(search, files)}; ${WORDS.length} terms among ${USERS}`,
    },
    {
      what: 'user/read by HTTP / WebSocket',
      value: http.cpuMs / socket.cpuMs,
      unit: '× the CPU',
      goal: { atLeast: 1.5 },
      beside: describe(http, socket),
    },
    {
      what: 'permission check of an API token with every scope',
      value: ofToken,
      unit: 'µs of CPU',
      beside: `${ofSession.toFixed(3)} µs of a session; within authentication's share`,
    },
  ];
}
