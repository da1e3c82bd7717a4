import { test } from 'tap';
import { loadContract, type Answer } from './e2e/contract.ts';

const contract = loadContract();
const json = (answer: Partial<Answer>): string | undefined =>
  contract.findBreach({
    method: 'GET',
    path: '/api/users/me',
    status: 200,
    type: 'application/json',
    ...answer,
  });
const problem = (status: number, code: string): Partial<Answer> => ({
  status,
  type: 'application/problem+json',
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
    json({ path: '/health', body: { status: 'healthy', timestamp: '2026-11-30T09:15:00.000Z' } }),
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
  t.match(json(problem(401, 'invalid_credentials')), 'account.get_profile answered 401');
  t.match(
    json({ method: 'DELETE', path: '/api/files/x', status: 204, body: {} }),
    'a body is not documented',
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
