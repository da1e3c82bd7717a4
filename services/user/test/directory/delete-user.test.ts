import { test } from 'tap';
import { build } from '../build.ts';
import { registerAs } from './administrator.ts';

test('the plan says what goes, and the deletion lets it go in every service', async (t) => {
  const server = await build(t);
  const { call, rows } = server;
  const { token } = await registerAs(server);
  const ada = await server.register('ada@example.com');
  const url = `/api/users/${ada.user.id}`;
  await call('PATCH', url, { token, body: { firstName: 'Ada', phone: '+4930901820' } });
  await call('POST', '/api/auth/tokens', {
    token: ada.token,
    body: { name: 'x', scopes: ['profile:read'] },
  });
  const plan = await call('GET', `${url}/deletion-plan`, { token });
  t.match(plan.json(), {
    user_id: ada.user.id,
    at_once: { sessions: 1, api_tokens: 1, unsent_mails: 0 },
    erased: { files: /files/, trail: /personal values/ },
  });
  const answer = await call('DELETE', url, { token, headers: { 'if-match': '*' } });
  t.strictSame([answer.statusCode, answer.body], [204, '']);
  t.match((await server.events()).at(-1), {
    id: answer.headers['audit-event'],
    action: 'USER_DELETED',
    resource: ada.user.id,
  });
  t.equal((await call('GET', '/api/users/me', { token: ada.token })).statusCode, 401);
  t.equal((await call('GET', url, { token })).statusCode, 404);
  t.strictSame(await rows('select identity_done from shared.erasures'), [{ identity_done: true }]);
  for (const table of ['users where id', 'sessions where user_id', 'user_terms where user_id'])
    t.strictSame(await rows(`select from identity.${table} = $1`, [ada.user.id]), [], table);
});
