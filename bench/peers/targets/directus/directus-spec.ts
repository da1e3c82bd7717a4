import { must, pageAt, textAt, valueAt } from '../../load/checks.ts';
import type { Client } from '../../load/client.ts';
import {
  createActors,
  emailOf,
  PASSWORD,
  type RequestDescription,
  type TargetSpec,
} from '../target-spec.ts';

const REMOVED_AT_A_TIME = 50;
const UPDATES = 'aggregate[count]=*&filter[collection][_eq]=bench_items&filter[action][_eq]=update';

const upload = (size: '64k' | '16m'): RequestDescription => ({
  method: 'POST',
  path: '/files',
  as: 'user',
  upload: { size, form: 'multipart' },
  check(body, variables) {
    must(String(valueAt(body, 'data', 'filesize')) === variables['size'], 'the size is wrong');
    return textAt(body, 'data', 'id');
  },
});

const requests: TargetSpec['requests'] = {
  profile: {
    method: 'GET',
    path: '/users/me',
    as: 'user',
    check: (body, { email }) => must(valueAt(body, 'data', 'email') === email, 'wrong profile'),
  },
  login: {
    method: 'POST',
    path: '/auth/login',
    as: 'anonymous',
    json: { email: '{email}', password: '{password}' },
    check: (body) => void textAt(body, 'data', 'access_token'),
  },
  'upload-64k': upload('64k'),
  'upload-16m': upload('16m'),
  'download-64k': { method: 'GET', path: '/assets/{f64k}', as: 'user', download: '64k' },
  'download-16m': { method: 'GET', path: '/assets/{f16m}', as: 'user', download: '16m' },
  'list-50': {
    method: 'GET',
    path: '/files?filter[uploaded_by][_eq]={id}&sort=-uploaded_on&limit=50',
    as: 'lister',
    check(body, { id }) {
      const files = pageAt(body, 'data');
      must(
        files.every((file) => valueAt(file, 'uploaded_by') === id),
        'not own files',
      );
    },
  },
  'audit-write': {
    method: 'PATCH',
    path: '/items/bench_items/{item}',
    as: 'user',
    json: { title: 'v{n}' },
    check: (body, { n }) => must(valueAt(body, 'data', 'title') === `v${n}`, 'not updated'),
  },
  'audit-page': {
    method: 'GET',
    path: '/activity?sort=-timestamp&limit=50',
    as: 'auditor',
    check(body) {
      const [first] = pageAt(body, 'data');
      must(valueAt(first, 'action') && valueAt(first, 'timestamp'), 'no activity row');
    },
  },
};

/** Signs in. @returns the header of its further requests */
export async function signIn(
  client: Client,
  json: { email: string; password: string },
): Promise<{ authorization: string }> {
  const body = await client.json('POST', '/auth/login', { json });
  return { authorization: `Bearer ${textAt(body, 'data', 'access_token')}` };
}

/** Users are no administrators. Their rights have no row filters, as the free tier allows. */
export const directusSpec = (admin: { email: string; password: string }): TargetSpec => ({
  name: 'directus',
  headers: {},
  requests,
  prepareActors: (client) =>
    createActors(async (worker) => {
      const [email, password] = [emailOf(worker), PASSWORD];
      const headers = await signIn(client, { email, password });
      const id = textAt(await client.json('GET', '/users/me', { headers }), 'data', 'id');
      return { variables: { email, password, id, item: String(worker + 1) }, headers };
    }),
  async countFiles(client, { variables: { id }, headers }) {
    const path = `/files?filter[uploaded_by][_eq]=${id}&limit=-1&fields=id`;
    const files = valueAt(await client.json('GET', path, { headers }), 'data');
    return Array.isArray(files) ? files.length : 0;
  },
  async countEvents(client, { headers }, operation) {
    if (operation !== 'audit-write') return undefined;
    const body = await client.json('GET', `/activity?${UPDATES}`, { headers });
    return Number(valueAt(body, 'data', '0', 'count'));
  },
  async remove(client, uploads) {
    const ids = uploads.map(({ id }) => id);
    const headers = ids.length > 0 ? await signIn(client, admin) : {};
    for (let n = 0; n < ids.length; n += REMOVED_AT_A_TIME)
      await client.json('DELETE', '/files', { headers, json: ids.slice(n, n + REMOVED_AT_A_TIME) });
  },
});
