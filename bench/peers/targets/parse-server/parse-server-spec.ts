import { must, pageAt, textAt, valueAt } from '../../load/checks.ts';
import type { Client } from '../../load/client.ts';
import {
  createActors,
  emailOf,
  PASSWORD,
  type RequestDescription,
  type TargetSpec,
} from '../target-spec.ts';

const UPDATES = encodeURIComponent('{"action":"item.update"}');

// By owner, not by ACL alone: the ACL's column has no index.
const OWNER = '{"owner":{"__type":"Pointer","className":"_User","objectId":"{id}"}}';
const OWN = encodeURIComponent(OWNER).replace(encodeURIComponent('{id}'), '{id}');

export const APP_HEADERS = { 'x-parse-application-id': 'bench' };

const upload = (size: '64k' | '16m'): RequestDescription => ({
  method: 'POST',
  path: `/parse/files/bench-${size}.bin`,
  as: 'user',
  upload: { size, form: 'raw' },
  status: 201,
  check(body) {
    must(valueAt(body, 'url'), 'no url');
    const name = textAt(body, 'name');
    must(name.endsWith('.bin'), 'another type');
    return name;
  },
});

const requests: TargetSpec['requests'] = {
  profile: {
    method: 'GET',
    path: '/parse/users/me',
    as: 'user',
    check: (body, { email }) => must(valueAt(body, 'email') === email, 'wrong profile'),
  },
  login: {
    method: 'POST',
    path: '/parse/login',
    as: 'anonymous',
    json: { username: '{email}', password: '{password}' },
    check: (body) => void textAt(body, 'sessionToken'),
  },
  'upload-64k': upload('64k'),
  'upload-16m': upload('16m'),
  'download-64k': { method: 'GET', path: '/parse/files/bench/{f64k}', as: 'user', download: '64k' },
  'download-16m': { method: 'GET', path: '/parse/files/bench/{f16m}', as: 'user', download: '16m' },
  'list-50': {
    method: 'GET',
    path: `/parse/classes/Document?where=${OWN}&order=-createdAt&limit=50`,
    as: 'lister',
    check(body, { id }) {
      const files = pageAt(body, 'results');
      must(
        files.every((file) => valueAt(file, 'owner', 'objectId') === id),
        'not own files',
      );
    },
  },
  'audit-write': {
    method: 'PUT',
    path: '/parse/classes/Item/{item}',
    as: 'user',
    json: { title: 'v{n}' },
    check: (body) => void textAt(body, 'updatedAt'),
  },
  'audit-page': {
    method: 'GET',
    path: '/parse/classes/AuditLog?order=-createdAt&limit=50',
    as: 'auditor',
    check(body) {
      const [first] = pageAt(body, 'results');
      must(valueAt(first, 'action') && valueAt(first, 'createdAt'), 'no row of the log');
    },
  },
};

async function signIn(client: Client, worker: number) {
  const [email, password] = [emailOf(worker), PASSWORD];
  const json = { username: email, password };
  const body = await client.json('POST', '/parse/login', { headers: APP_HEADERS, json });
  const headers = { 'x-parse-session-token': textAt(body, 'sessionToken') };
  const items = await client.json('GET', '/parse/classes/Item?limit=1&keys=title', {
    headers: { ...APP_HEADERS, ...headers },
  });
  const item = textAt(items, 'results', '0', 'objectId');
  return { variables: { email, password, id: textAt(body, 'objectId'), item }, headers };
}

const count = async (client: Client, path: string, headers: Record<string, string>) =>
  Number(
    valueAt(
      await client.json('GET', `${path}limit=0&count=1`, {
        headers: { ...APP_HEADERS, ...headers },
      }),
      'count',
    ),
  );

export const parseServerSpec = (masterKey: string): TargetSpec => ({
  name: 'parse-server',
  headers: APP_HEADERS,
  requests,
  prepareActors: (client) => createActors((worker) => signIn(client, worker)),
  countFiles: (client, { headers }) => count(client, '/parse/classes/Document?', headers),
  countEvents: async (client, { headers }, operation) =>
    operation === 'audit-write'
      ? count(client, `/parse/classes/AuditLog?where=${UPDATES}&`, headers)
      : undefined,
  async remove(client, uploads) {
    const headers = { ...APP_HEADERS, 'x-parse-master-key': masterKey };
    for (const { id } of uploads) await client.json('DELETE', `/parse/files/${id}`, { headers });
  },
});
