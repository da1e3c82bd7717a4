import { join } from 'node:path';
import { connectToFleet, type Fleet, runScript } from '../../../test/e2e/fleet.ts';
import { countActions, isCaughtUp, openTrail, type Trail } from '../../trail/open-trail.ts';
import { PAGE_SIZE, textAt } from '../load/checks.ts';
import type { Client } from '../load/client.ts';
import type { Operation } from '../options.ts';
import { REPLICAS } from '../run/replicas.ts';
import type { Run } from '../run/run.ts';
import { requests } from './muniment-requests.ts';
import {
  type Actor,
  createActors,
  emailOf,
  PASSWORD,
  type ProcessGroups,
  type StartedTarget,
  type TargetSpec,
} from './target-spec.ts';

/** The event that each request of an operation leaves. */
const ACTIONS: Partial<Record<Operation, string>> = {
  login: 'LOGIN_SUCCESS',
  'upload-64k': 'FILE_UPLOAD',
  'upload-16m': 'FILE_UPLOAD',
  'download-64k': 'FILE_DOWNLOAD',
  'download-16m': 'FILE_DOWNLOAD',
  'audit-write': 'USER_UPDATED',
};

/** Registers an account. The first one is the auditor, whose page of the log is its own. */
async function register(client: Client, worker: number): Promise<Actor> {
  const [email, password] = [emailOf(worker), PASSWORD];
  const body = await client.json('POST', '/api/users/register', { json: { email, password } });
  const headers = { authorization: `Bearer ${textAt(body, 'token')}` };
  for (let n = 0; worker === 0 && n < PAGE_SIZE; n += 1)
    await client.json('PATCH', '/api/users/me', { headers, json: { name: `p${n}` } });
  return { variables: { email, password, id: textAt(body, 'user', 'id') }, headers };
}

const specOf = (trail: Trail): TargetSpec => ({
  name: 'muniment',
  headers: {},
  requests,
  prepareActors: (client) => createActors((worker) => register(client, worker)),
  async countFiles(client, { headers }) {
    const files = await client.json('GET', '/api/files', { headers });
    return Array.isArray(files) ? files.length : 0;
  },
  async countEvents(_client, _auditor, operation) {
    const action = ACTIONS[operation];
    return action === undefined ? undefined : countActions(trail, action);
  },
  async remove(client, uploads) {
    for (const { id, owner } of uploads)
      await client.json('DELETE', `/api/files/${id}`, { headers: owner.headers });
  },
  isCaughtUp: () => isCaughtUp(trail),
});

/** Kinesis, S3 and the mail catcher stand for services of a cloud, so they are apart. */
async function groupProcesses(fleet: Fleet): Promise<ProcessGroups> {
  const groups: ProcessGroups = { service: [], nginx: [], db: [], other: [] };
  for (const { service, pid } of (await fleet.describe()).processes) {
    if (service === 'nginx') groups.nginx.push(pid);
    else if (service === 'postgres') groups.db.push(pid);
    else if (service === 'user' || service === 'file' || service === 'audit')
      groups.service.push(pid);
    else groups.other.push(pid);
  }
  return groups;
}

/** Starts a fleet of our own, durable, without limits, as `make up` does. */
export async function startMuniment(run: Run): Promise<StartedTarget> {
  run.report('starting muniment');
  const environment = {
    DATA: join(run.dataDir, 'muniment'),
    PORT: '0',
    TLS_PORT: '0',
    REPLICAS: String(REPLICAS),
    LIMITS: 'off',
    DURABLE: 'on',
  };
  const starting = runScript('packages/cluster/src/up.ts', environment);
  // Not before its start has ended: a second command would find the folder locked.
  run.teardown(async () => {
    await starting.catch(() => {});
    await runScript('packages/cluster/src/down.ts', environment);
  });
  await starting;
  const fleet = await connectToFleet(environment.DATA);
  const trail = await openTrail(fleet);
  run.teardown(trail.close);
  return { spec: specOf(trail), url: fleet.url, processes: () => groupProcesses(fleet) };
}
