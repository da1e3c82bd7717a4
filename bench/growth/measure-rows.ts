import { randomBytes } from 'node:crypto';
import { until } from '@muniment/testing';
import { encodeCursor } from '../../packages/server/src/http/cursors/cursor.ts';
import { PASSWORD, type Fleet, type SignedIn } from '../../test/e2e/fleet.ts';
import { load, type LoadRequest, type LoadResult } from '../load/load.ts';
import { cpuMsOf } from '../peers/measure/process-tree.ts';
import { isCaughtUp, type Trail } from '../trail/open-trail.ts';

const SECONDS = 5;
/** All rows run before the first is measured: a new replica compiles what it has not run yet. */
const BURN_IN_SECONDS_PER_REPLICA = 2;
const WARM_UP_SECONDS = 1;
const CONNECTIONS = 8;
const UPLOAD_BYTES = 64 * 1024;

export interface Figures {
  /** CPU of the whole fleet for each request, until its events are sealed. */
  cpuMs: number;
  perSecond: number;
}

/** What stands in the middle of the files and of the log. */
export interface Middle {
  fileId: string;
  eventId: string;
  eventTime: Date;
}

export interface Measured {
  fleet: Fleet;
  trail: Trail;
  owner: SignedIn['user'];
  administrator: SignedIn['user'];
}

type RowRequest = Omit<LoadRequest, 'url' | 'connections' | 'seconds'> & {
  path: string;
  /** A replica's, in the place of the gateway's. */
  origin?: string;
};

/** A session opened now: growing takes longer than a token lives. */
async function signIn(fleet: Fleet, { email }: { email: string }): Promise<string> {
  const answer = await fleet.call('POST', '/api/users/login', {
    json: { email, password: PASSWORD },
  });
  if (!answer.ok) throw new Error(`Sign-in answered ${answer.status}.`);
  return ((await answer.json()) as SignedIn).token;
}

function uploadRequest(authorization: string): RowRequest {
  const boundary = 'growth';
  const content = randomBytes(UPLOAD_BYTES / 2).toString('hex');
  return {
    method: 'POST',
    path: '/api/files',
    headers: { authorization, 'content-type': `multipart/form-data; boundary=${boundary}` },
    body:
      `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n` +
      `content-type: text/plain\r\n\r\n${content}\r\n--${boundary}--\r\n`,
  };
}

async function originOfReplica(fleet: Fleet): Promise<string> {
  const { processes } = await fleet.describe();
  const replica = processes.find(({ service }) => service === 'user');
  return `http://127.0.0.1:${replica?.port}`;
}

/** The requests of each row, by its name. */
async function listRows(
  { fleet, owner, administrator }: Measured,
  { fileId, eventId, eventTime }: Middle,
): Promise<Record<string, RowRequest>> {
  const authorization = `Bearer ${await signIn(fleet, owner)}`;
  const all = `Bearer ${await signIn(fleet, administrator)}`;
  const own = (path: string): RowRequest => ({ path, headers: { authorization } });
  const foreign = (path: string): RowRequest => ({ path, headers: { authorization: all } });
  return {
    'list of 50 files': own('/api/files?limit=50'),
    'list of 50 files, in the middle': own(`/api/files?limit=50&cursor=${encodeCursor(fileId)}`),
    profile: own('/api/users/me'),
    // Shows what other replicas take from the caches: this one's work is the same.
    'profile, one replica asked directly': {
      ...own('/api/users/me'),
      origin: await originOfReplica(fleet),
    },
    'change with its event': {
      method: 'PATCH',
      path: '/api/users/me',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Ada' }),
    },
    'upload of 64 KiB': uploadRequest(authorization),
    'own audit page of 50': own('/api/audit/logs?limit=50'),
    'audit page of 50': foreign('/api/audit/logs?limit=50'),
    'audit page of 50, in the middle': foreign(
      `/api/audit/logs?limit=50&to=${encodeURIComponent(eventTime.toISOString())}`,
    ),
    'inclusion proof': foreign(`/api/audit/logs/${eventId}/proof`),
  };
}

const caughtUp = ({ trail }: Measured): Promise<boolean> =>
  until(() => isCaughtUp(trail), { what: 'the trail has caught up', timeoutMs: 120_000 });

async function run(
  { fleet }: Measured,
  { path, origin = fleet.url, ...request }: RowRequest,
  seconds: number,
): Promise<LoadResult> {
  const url = origin + path;
  const result = await load({ ...request, url, connections: CONNECTIONS, seconds });
  if (result.failed > 0) throw new Error(`${result.failed} requests for ${path} failed.`);
  return result;
}

async function measureRow(measured: Measured, request: RowRequest): Promise<Figures> {
  const pids = (await measured.fleet.describe()).processes.map(({ pid }) => pid);
  await run(measured, request, WARM_UP_SECONDS);
  await caughtUp(measured);
  const before = cpuMsOf(pids);
  const { ok, perSecond } = await run(measured, request, SECONDS);
  await caughtUp(measured);
  return { cpuMs: (cpuMsOf(pids) - before) / ok, perSecond };
}

/** Measures each row at the fleet as it is. */
export async function measureRows(
  measured: Measured,
  middle: Middle,
  log: (line: string) => void,
): Promise<Map<string, Figures>> {
  const figures = new Map<string, Figures>();
  const rows = await listRows(measured, middle);
  const { processes } = await measured.fleet.describe();
  const replicas = processes.filter(({ service }) => service === 'file').length;
  for (const request of Object.values(rows))
    await run(measured, request, BURN_IN_SECONDS_PER_REPLICA * replicas);
  for (const [what, request] of Object.entries(rows)) {
    const row = await measureRow(measured, request);
    log(`${what}: ${row.cpuMs.toFixed(2)} ms of CPU, ${row.perSecond.toFixed(0)}/s`);
    figures.set(what, row);
  }
  return figures;
}
