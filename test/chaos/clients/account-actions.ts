import { parseAccount, saveTokens, type Account } from './account.ts';
import { sendAndComplete, type Client } from './create-client.ts';
import type { Turn } from './turn.ts';

export async function register(client: Client): Promise<void> {
  const email = `${client.createName('customer')}@example.com`;
  const password = client.createName('password');
  const answer = await client.send({
    kind: 'register',
    method: 'POST',
    path: '/api/users/register',
    json: { email, password },
  });
  if (answer.operation.result === 'ok') {
    client.account = parseAccount(answer.text, email, password);
    answer.operation.account = client.account.id;
  }
  client.complete(answer);
}

export async function login(client: Client, account: Account): Promise<void> {
  const answer = await client.send({
    kind: 'login',
    method: 'POST',
    path: '/api/users/login',
    json: { email: account.email, password: account.passwords[0] },
  });
  if (answer.operation.result === 'ok') saveTokens(account, answer.text);
  client.complete(answer);
  if (answer.operation.code !== 'invalid_credentials') return;
  account.passwords.shift();
  // A password change without an answer has taken effect: the account is locked out.
  if (account.passwords.length === 0) client.account = undefined;
}

export async function changePassword({ client, account, token }: Turn): Promise<void> {
  const next = client.createName('password');
  const [current = ''] = account.passwords;
  const answer = await client.send({
    kind: 'password',
    method: 'POST',
    path: '/api/users/me/password',
    token,
    json: { current_password: current, new_password: next },
  });
  const { result } = answer.operation;
  if (result === 'ok') {
    saveTokens(account, answer.text);
    account.passwords = [next];
  } else if (result === 'unknown') {
    account.passwords = [next, ...account.passwords];
    account.token = undefined;
  }
  client.complete(answer);
}

export async function refresh({ client, account }: Turn): Promise<void> {
  const answer = await client.send({
    kind: 'refresh',
    method: 'POST',
    path: '/api/auth/refresh',
    json: { refresh_token: account.refreshToken ?? '' },
  });
  if (answer.operation.result === 'ok') saveTokens(account, answer.text);
  // The token may be spent, and a second use would look like theft.
  else account.token = undefined;
  client.complete(answer);
}

export async function logout({ client, account, token }: Turn): Promise<void> {
  await sendAndComplete(client, {
    kind: 'logout',
    method: 'POST',
    path: '/api/auth/logout',
    token,
  });
  account.token = undefined;
}

export async function deleteAccount({ client, account, token }: Turn): Promise<void> {
  const { result } = await sendAndComplete(client, {
    kind: 'delete_account',
    method: 'DELETE',
    path: '/api/users/me',
    token,
    json: { password: account.passwords[0] },
  });
  if (result !== 'refused') client.account = undefined;
}

export async function updateProfile({ client, token }: Turn): Promise<void> {
  await sendAndComplete(client, {
    kind: 'update',
    method: 'PATCH',
    path: '/api/users/me',
    token,
    json: { name: client.createName('name') },
  });
}

export async function loginWithWrongPassword({ client, account }: Turn): Promise<void> {
  await sendAndComplete(client, {
    kind: 'login_fail',
    method: 'POST',
    path: '/api/users/login',
    json: { email: account.email, password: 'not the password' },
  });
}

export async function registerTakenEmail({ client, account }: Turn): Promise<void> {
  await sendAndComplete(client, {
    kind: 'register_taken',
    method: 'POST',
    path: '/api/users/register',
    json: { email: account.email, password: 'whatever it is' },
  });
}

export async function readTrail({ client, token }: Turn): Promise<void> {
  await sendAndComplete(client, {
    kind: 'read_trail',
    method: 'GET',
    path: '/api/audit/logs?limit=20',
    token,
  });
}
