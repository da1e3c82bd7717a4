import { must, pageAt, textAt, valueAt } from '../load/checks.ts';
import type { RequestDescription, TargetSpec } from './target-spec.ts';

const upload = (size: '64k' | '16m'): RequestDescription => ({
  method: 'POST',
  path: '/api/files',
  as: 'user',
  upload: { size, form: 'multipart' },
  status: 201,
  check: (body) => textAt(body, 'id'),
});

/** Requests of our routes. */
export const requests: TargetSpec['requests'] = {
  profile: {
    method: 'GET',
    path: '/api/users/me',
    as: 'user',
    check: (body, { email }) => must(valueAt(body, 'email') === email, 'wrong profile'),
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
  'download-64k': { method: 'GET', path: '/api/files/{f64k}', as: 'user', download: '64k' },
  'download-16m': { method: 'GET', path: '/api/files/{f16m}', as: 'user', download: '16m' },
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
};
