import { join } from 'node:path';
import { must, textAt, valueAt } from '../load/checks.ts';
import type { Run } from '../run/run.ts';
import { startReplicas } from '../run/replicas.ts';
import { requests } from './muniment-requests.ts';
import {
  createActors,
  emailOf,
  PASSWORD,
  type RequestDescription,
  type StartedTarget,
  type TargetSpec,
} from './target-spec.ts';

const upload = (size: '64k' | '16m'): RequestDescription => ({
  method: 'POST',
  path: '/api/files',
  as: 'user',
  upload: { size, form: 'raw' },
  check(body, variables) {
    must(String(valueAt(body, 'size')) === variables['size'], 'the size is wrong');
    return textAt(body, 'id');
  },
});

/** The limit: the same Nginx before Fastify that answers with constants and stores nothing. */
const spec: TargetSpec = {
  name: 'bare-fastify',
  headers: {},
  // It answers our routes, all of them with the same account and the same files.
  requests: {
    ...requests,
    profile: { ...requests.profile, check: (body) => void textAt(body, 'email') },
    'upload-64k': upload('64k'),
    'upload-16m': upload('16m'),
    'download-64k': { ...requests['download-64k'], path: '/api/files/64k' },
    'download-16m': { ...requests['download-16m'], path: '/api/files/16m' },
  },
  prepareActors: () =>
    createActors((worker) => ({
      variables: { email: emailOf(worker), password: PASSWORD },
      headers: { authorization: 'Bearer none' },
    })),
  countFiles: async () => 50,
};

export async function startBareFastify(run: Run): Promise<StartedTarget> {
  const { url, service, nginx } = await startReplicas(run, {
    name: 'bare-fastify',
    command: [process.execPath, join(import.meta.dirname, '../apps/bare-fastify.ts')],
    environment: () => ({}),
    health: '/health',
  });
  return { spec, url, processes: async () => ({ service, nginx, db: [], other: [] }) };
}
