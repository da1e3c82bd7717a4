import { test } from 'tap';
import { loadContract, type Answer } from './e2e/contract.ts';

const contract = loadContract();
const ID = { 'x-request-id': 'r' };
const VALIDATORS = { etag: '"1"', 'last-modified': 'Mon, 30 Nov 2026 09:15:00 GMT' };
const json = ({
  headers = { ...ID, ...VALIDATORS },
  ...answer
}: Partial<Omit<Answer, 'headers'> & { headers: Record<string, string> }>): string | undefined =>
  contract.findBreach({
    method: 'GET',
    path: '/api/users/me',
    status: 200,
    type: 'application/json',
    headers: new Headers(headers),
    ...answer,
  });
const problem = (status: number, code: string, headers: Record<string, string> = {}) => ({
  status,
  type: 'application/problem+json',
  headers: { ...ID, ...(status === 401 && { 'www-authenticate': 'Bearer' }), ...headers },
  body: {
    type: `https://muniment.dev/problems/${code}`,
    title: 'T',
    status,
    detail: 'D.',
    code,
    request_id: 'r',
  },
});

test('an answer that the document states is no breach', (t) => {
  t.equal(
    json({
      path: '/health',
      headers: ID,
      body: { status: 'healthy', timestamp: '2026-11-30T09:15:00.000Z' },
    }),
    undefined,
  );
  t.equal(json(problem(401, 'unauthenticated')), undefined);
  t.equal(
    json({ method: 'POST', path: '/login', ...problem(401, 'invalid_credentials') }),
    undefined,
  );
  t.equal(json({ path: '/users/me?x=1', ...problem(400, 'validation_failed') }), undefined);
  t.end();
});

test('a status, a body, a type and a code outside the document are breaches', (t) => {
  t.match(json({ status: 202, body: {} }), 'status is not documented');
  t.match(json({ body: { id: 1 } }), 'account.get_profile answered 200');
  t.match(json({ type: 'text/html' }), 'text/html is not documented');
  t.match(json(problem(418, 'teapot')), 'the status with the code teapot is not documented');
  const headers = { ...ID, 'content-disposition': 'attachment', 'muniment-tree-size': '1' };
  t.equal(json({ path: '/api/audit/export?format=csv', type: 'text/csv', headers }), undefined);
  t.match(json(problem(401, 'invalid_credentials')), 'account.get_profile answered 401');
  t.match(
    json({ method: 'DELETE', path: '/api/files/x', status: 204, headers: ID, body: {} }),
    'a body is not documented',
  );
  t.end();
});

test('a stated header that is absent and a sent one that is not stated are breaches', (t) => {
  const user = { status: 304, type: '' };
  t.equal(json(user), undefined);
  t.match(json({ ...user, headers: ID }), 'etag is stated and absent');
  t.match(json({ ...user, headers: VALIDATORS }), 'x-request-id is stated and absent');
  const headers = { ...ID, ...VALIDATORS, location: '/' };
  t.match(json({ ...user, headers }), 'location is not stated');
  t.match(json(problem(429, 'rate_limited')), 'retry-after is stated and absent');
  t.match(json(problem(429, 'rate_limited', { 'retry-after': 'soon' })), 'retry-after is soon');
  t.equal(json(problem(429, 'rate_limited', { 'retry-after': '1' })), undefined);
  t.match(
    json({ ...problem(404, 'user_not_found', VALIDATORS), path: '/api/users/x' }),
    'etag is not stated',
  );
  t.end();
});

test('the gateway may answer before any route', (t) => {
  t.equal(json(problem(502, 'bad_gateway')), undefined);
  t.equal(json(problem(413, 'body_too_large')), undefined);
  t.match(json({ status: 502, type: 'application/problem+json', body: {} }), 'answered 502');
  t.match(
    json({ path: '/nothing', type: 'application/problem+json', status: 404, body: {} }),
    'must have',
  );
  t.end();
});
