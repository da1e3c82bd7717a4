import { join } from 'node:path';
import { must, pageAt, textAt, valueAt } from '../load/checks.ts';
import type { Run } from '../run/run.ts';
import { startReplicas } from '../run/replicas.ts';
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
  requests: {
    profile: {
      method: 'GET',
      path: '/api/users/me',
      as: 'user',
      check: (body) => void textAt(body, 'email'),
    },
    login: {
      method: 'POST',
      path: '/api/users/login',
      as: 'anonymous',
      json: { email: '{email}', password: '{password}' },
      check: (body) => void textAt(body, 'token'),
    },
    'upload-64k': upload('64k'),
    'upload-16m': upload('16m'),
    'download-64k': { method: 'GET', path: '/api/files/64k', as: 'user', download: '64k' },
    'download-16m': { method: 'GET', path: '/api/files/16m', as: 'user', download: '16m' },
    'list-50': {
      method: 'GET',
      path: '/api/files',
      as: 'lister',
      check: (body) => void pageAt(body),
    },
    'audit-write': {
      method: 'PATCH',
      path: '/api/users/me',
      as: 'user',
      json: { name: 'v{n}' },
      check: (body, { n }) => must(valueAt(body, 'name') === `v${n}`, 'not updated'),
    },
    'audit-page': {
      method: 'GET',
      path: '/api/audit/logs?limit=50',
      as: 'auditor',
      check: (body) => void pageAt(body),
    },
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
