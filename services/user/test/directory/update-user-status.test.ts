import { test } from 'tap';
import { openPersonal } from '@muniment/audit-events';
import { TRANSITIONS } from '../../directory/update-user-status.ts';
import { build } from '../build.ts';
import { registerAs } from './administrator.ts';

const STATES = Object.keys(TRANSITIONS) as (keyof typeof TRANSITIONS)[];

test('a user goes from state to state as the machine says, else 409', async (t) => {
  const { call, rows, register, ...server } = await build(t);
  const { token } = await registerAs({ call, rows, register, ...server });
  const { user } = await register('ada@example.com');
  for (const from of STATES) {
    for (const to of STATES) {
      await rows('update identity.users set status = $2 where id = $1', [user.id, from]);
      const answer = await call('PATCH', `/api/users/${user.id}/status`, {
        token,
        body: { status: to },
      });
      const allowed = TRANSITIONS[from].includes(to);
      t.equal(answer.statusCode, allowed ? 200 : 409, `${from} to ${to}`);
      t.match(answer.json(), allowed ? { status: to } : { code: 'status_conflict' });
    }
  }
});

test('a suspension ends sessions and tokens, in one event with a secret reason', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  const ada = await server.register('ada@example.com');
  const reason = 'Spam from this account';
  const answer = await server.call('PATCH', `/api/users/${ada.user.id}/status`, {
    token,
    body: { status: 'suspended', reason },
  });
  t.match(answer.json(), { status: 'suspended' });
  t.equal((await server.call('GET', '/api/users/me', { token: ada.token })).statusCode, 401);
  const changes = (await server.events()).filter(({ action }) => action === 'USER_STATUS_CHANGED');
  t.match(changes, [
    {
      id: answer.headers['audit-event'],
      metadata: { from: 'active', to: 'suspended', sessions_ended: 1 },
      personal: { subject: ada.user.id },
    },
  ]);
  t.notMatch(JSON.stringify(changes), reason);
  const { data, crypto } = server.context;
  const key = await crypto.subjectKeys.forSubject(data.db, { userId: ada.user.id });
  const [change] = changes;
  if (!key || !change?.personal) return t.fail('no sealed reason');
  t.match(openPersonal(change.id, change.personal, key), { reason });
  t.strictSame(await server.rows('select from identity.status_changes'), []);
});

test('each bad field of a change of status is named', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  const { user } = await server.register('ada@example.com');
  for (const [body, pointer] of [
    [{}, '/status'],
    [{ status: 'gone' }, '/status'],
    [{ status: 'suspended', reason: '' }, '/reason'],
    [{ status: 'suspended', reason: 'x'.repeat(501) }, '/reason'],
    [{ status: 'suspended', why: 'x' }, '/why'],
  ] as const) {
    const answer = await server.call('PATCH', `/api/users/${user.id}/status`, { token, body });
    t.match(answer.json(), { status: 400, errors: [{ pointer }] }, JSON.stringify(body));
  }
  t.match((await server.call('GET', `/api/users/${user.id}`, { token })).json(), {
    status: 'active',
  });
});
