import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';
import { eventually, type Fleet, PASSWORD, startFleet } from './fleet.ts';
import { isProblem } from './problems.ts';
import { openDatabase, type Rows, storedObjects, trailGaps } from './stores.ts';

/** The tables of the fleet's database in which a value stands anywhere, also as bytes. */
async function tablesWith(rows: Rows, value: string): Promise<string[]> {
  const tables = await rows<{ name: string }>(`
    select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`);
  const hex = Buffer.from(value).toString('hex');
  const base64 = Buffer.from(value).toString('base64').replace(/.?=*$/, '');
  const found: string[] = [];
  for (const { name } of tables) {
    const hits = await rows(`select 1 from ${name} r where r::text ilike any($1) limit 1`, [[value, hex, base64].map((text) => `%${text}%`)]);
    if (hits.length > 0) found.push(name);
  }
  return found;
}

async function logsWith(fleet: Fleet, value: string): Promise<string[]> {
  const folder = join(fleet.dataDir, 'logs');
  const files = await readdir(folder);
  const found = await Promise.all(files.map(async (file) => (await readFile(join(folder, file), 'utf8')).toLowerCase().includes(value.toLowerCase())));
  return files.filter((_, index) => found[index]);
}

test('a deleted account is dead at once, its bytes go, and its trail stays without a word of who it was', async (t) => {
  const fleet = await startFleet(t, { DURABLE: 'off' });
  const rows = await openDatabase(t, fleet);
  const email = 'Erasmus.of.Rotterdam@example.com';
  const agent = 'erasable-agent/1.0';
  const headers = { 'user-agent': agent };
  const signedUp = await fleet.call('POST', '/api/users/register', { json: { email, password: PASSWORD, name: 'Desiderius' }, headers });
  const { user, token, refresh_token: refreshToken } = await signedUp.json() as { user: { id: string }; token: string; refresh_token: string };
  await fleet.call('POST', '/api/users/login', { json: { email, password: 'not the password' }, headers });
  await fleet.call('POST', '/api/users/register', { json: { email, password: PASSWORD }, headers });
  for (const name of ['encomium-moriae.txt', 'adagia.txt']) t.equal((await fleet.upload(token, name, `bytes of ${name}`)).status, 201);
  const large = await fleet.upload(token, 'colloquia.bin', Buffer.alloc(6 * 1024 ** 2));
  t.equal(large.status, 201);
  const { id: fileId } = await large.json() as { id: string };
  t.equal((await fleet.call('PATCH', `/api/files/${fileId}`, { token, json: { name: 'moriae-encomium.txt' } })).status, 200);
  await (await fleet.call('GET', `/api/files/${fileId}`, { token })).arrayBuffer();
  const other = await fleet.signUp();
  t.equal((await fleet.upload(other.token, 'stays.txt', 'of another')).status, 201);

  const logs = await eventually('the trail is there', 15_000, async () => {
    const found = await fleet.trail(token);
    return found.some(({ action }) => action === 'FILE_DOWNLOAD') && found;
  });
  t.match(logs.find(({ action }) => action === 'SIGNUP_SUCCESS'), { user_agent: agent, ip: '127.0.0.1' }, 'readable before');
  t.match(logs.find(({ action }) => action === 'FILE_DOWNLOAD'), { metadata: { filename: 'moriae-encomium.txt', size: 6 * 1024 ** 2 } }, 'names of files too');
  t.strictSame(await tablesWith(rows, email), ['identity.users'], 'the address stands in the account\'s row and nowhere else');
  t.equal((await rows('select key_id from keys.subject_keys where subject = $1', [user.id])).length, 1);

  t.equal((await fleet.call('DELETE', '/api/users/me', { token, json: { password: PASSWORD } })).status, 204);

  // Asked at each replica's own port, so that none is spared: changes are refused at once, reads within the second for which a session may be believed in.
  const { processes } = await fleet.describe();
  const headersOf = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  for (const { name, port } of processes.filter(({ service }) => service === 'user')) {
    await isProblem(t, await fetch(`http://127.0.0.1:${port}/api/users/me`, { method: 'PATCH', headers: headersOf, body: '{"name":"x"}' }), 401, 'unauthenticated', `${name}: a change`);
  }
  for (const { name, port } of processes.filter(({ service }) => service === 'file')) {
    await isProblem(t, await fetch(`http://127.0.0.1:${port}/api/files/${fileId}`, { method: 'DELETE', headers: { authorization: headersOf.authorization } }), 401, 'unauthenticated', `${name}: a change`);
  }
  const paths = { user: '/api/users/me', file: `/api/files/${fileId}/metadata`, audit: '/api/audit/logs' };
  await eventually('no replica serves the token', 1_000, async () => {
    const answers = await Promise.all(processes.map(async ({ service, port }) =>
      (service in paths ? (await fetch(`http://127.0.0.1:${port}${paths[service as keyof typeof paths]}`, { headers: headersOf })).status : 401)));
    return answers.every((status) => status === 401);
  });
  await isProblem(t, await fleet.call('POST', '/api/auth/refresh', { json: { refresh_token: refreshToken } }), 401, 'refresh_token_invalid', 'the refresh token');
  await isProblem(t, await fleet.call('POST', '/api/users/login', { json: { email: email.toLowerCase(), password: PASSWORD } }), 401, 'invalid_credentials', 'the password');

  await eventually('every service has done its part', 20_000, async () =>
    (await rows('select user_id from shared.erasures where user_id = $1 and identity_done and files_done and audit_done', [user.id])).length === 1);
  await eventually('only the other user\'s object is left', 15_000, async () => {
    const { objects, uploads } = await storedObjects(fleet);
    return objects.length === 1 && uploads.length === 0;
  });
  t.strictSame(await rows(`select distinct status from files.files where user_id = $1`, [user.id]), [{ status: 'purged' }]);
  await eventually('the trail is complete', 15_000, async () => (await trailGaps(rows)).length === 0);

  const kept = await rows<{ action: string; subject: string | null; ciphertext: string | null }>(
    'select action, subject, personal_ciphertext as ciphertext from audit.events where user_id = $1 or subject = $1::text order by id', [user.id]);
  const count = (action: string): number => kept.filter((event) => event.action === action).length;
  t.match({ signups: count('SIGNUP_SUCCESS'), uploads: count('FILE_UPLOAD'), deletions: count('FILE_DELETE'), end: count('USER_DELETED') }, { signups: 1, uploads: 3, deletions: 3, end: 1 }, 'the trail tells what happened');
  t.strictSame(await rows('select key_id from keys.subject_keys where subject = $1', [user.id]), [], 'but the key of its personal values is gone');
  t.strictSame(await rows('select subject from keys.erased_subjects where subject = $1', [user.id]), [{ subject: user.id }], 'and there will never be another');
  for (const { id } of logs) await isProblem(t, await fleet.call('GET', `/api/audit/logs/${id}`, { token: other.token }), 404, 'audit_log_not_found', 'nobody else gets an entry');

  for (const value of [email, agent, 'Desiderius', 'encomium-moriae', 'moriae-encomium', 'adagia.txt', 'colloquia.bin']) {
    t.strictSame(await tablesWith(rows, value), [], `«${value}» stands in no table`);
    // The gateway's access log is what says which client came, for as long as logs are kept.
    t.strictSame((await logsWith(fleet, value)).filter((file) => file !== 'nginx.log' || value !== agent), [], `«${value}» stands in no log`);
  }
  t.equal((await fleet.call('POST', '/api/users/register', { json: { email, password: PASSWORD } })).status, 201, 'the address is free again');
});
