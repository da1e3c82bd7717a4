import { join } from 'node:path';
import { textAt } from '../../load/checks.ts';
import type { Client } from '../../load/client.ts';
import { installPackages } from '../../run/install.ts';
import { newSecret, startPeerDatabase } from '../../run/peer-database.ts';
import { startReplicas } from '../../run/replicas.ts';
import type { Run } from '../../run/run.ts';
import { emailOf, PASSWORD, type StartedTarget, WORKERS } from '../target-spec.ts';
import { APP_HEADERS, parseServerSpec } from './parse-server-spec.ts';

const pointerTo = (objectId: string) => ({ __type: 'Pointer', className: '_User', objectId });

/** Creates the users, an item of each, and the role that may read the log. */
async function provision(client: Client, masterKey: string): Promise<void> {
  const headers = { ...APP_HEADERS, 'x-parse-master-key': masterKey };
  const post = (path: string, json: unknown) => client.json('POST', path, { headers, json });
  const ids: string[] = [];
  for (let worker = 0; worker <= WORKERS; worker += 1) {
    const [email, password] = [emailOf(worker), PASSWORD];
    const id = textAt(await post('/parse/users', { username: email, email, password }), 'objectId');
    ids.push(id);
    await post('/parse/classes/Item', {
      title: 'v0',
      note: `item of ${worker}`,
      owner: pointerTo(id),
      ACL: { [id]: { read: true, write: true } },
    });
  }
  await post('/parse/roles', {
    name: 'auditor',
    ACL: {},
    users: { __op: 'AddRelation', objects: [pointerTo(ids[0] ?? '')] },
  });
}

/** Starts Parse Server on a PostgreSQL of its own, with files on the local disk. */
export async function startParseServer(
  run: Run,
  connect: (url: string) => Client,
): Promise<StartedTarget> {
  const folder = await installPackages(run, 'parse-server');
  const database = await startPeerDatabase(run, 'parse-server');
  const masterKey = newSecret();
  const { url, service, nginx } = await startReplicas(run, {
    name: 'parse-server',
    command: [process.execPath, join(import.meta.dirname, '../../apps/parse-server.ts')],
    environment: (publicUrl) => ({
      PACKAGES: folder,
      DATABASE_URI: database.url,
      PARSE_MASTER_KEY: masterKey,
      PARSE_SERVER_LOGS_FOLDER: 'null',
      PUBLIC_URL: `${publicUrl}/parse`,
    }),
    health: '/parse/health',
    provision: async (first) => provision(connect(first), masterKey),
  });
  return {
    spec: parseServerSpec(masterKey),
    url,
    processes: async () => ({ service, nginx, db: [database.pid], other: [] }),
  };
}
