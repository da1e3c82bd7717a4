import { randomBytes } from 'node:crypto';
import type { Transaction } from 'kysely';
import { uuidv7 } from '@muniment/database';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { openSession, type SessionTokens } from '../sessions/open-session.ts';
import type { Tables, User } from '../tables.ts';
import { parseEmail, type EmailAddress } from '../users/email-address.ts';
import { findUserByEmailKey, insertUser, updateUserType } from '../users/user-queries.ts';
import { administratorMade } from './sign-in-events.ts';

export interface MadeAdmin extends SessionTokens {
  user_id: string;
  /** Only for a new account; shown once and stored nowhere. */
  password?: string;
}

/** Makes an account an administrator's and opens a session, for operators. */
export async function makeAdmin(
  context: Pick<UserContext, 'config' | 'data' | 'auth' | 'passwords'>,
  typedEmail: string,
): Promise<MadeAdmin> {
  const address = parseEmail(typedEmail);
  const { email, emailKey } = address;
  const request = commandRequest();
  const password = randomBytes(18).toString('base64url');
  const passwordHash = await context.passwords.hash(password, { role: 'admin', email });
  return context.data.inTransaction(request, async (trx, record) => {
    const existing = await findUserByEmailKey(trx, emailKey);
    const { id } = existing ?? (await insertAdmin(trx, address, passwordHash));
    if (existing) await updateUserType(trx, id, 'admin');
    const tokens = await openSession(context, trx, { request, user: { id, type: 'admin' } });
    await record(administratorMade(id, existing, { email, sessionId: tokens.session_id }));
    return { user_id: id, ...tokens, ...(!existing && { password }) };
  });
}

/** The command bypasses the API, but not the audit trail. */
const commandRequest = (): RequestContext => ({
  id: randomBytes(16).toString('hex'),
  ip: '127.0.0.1',
  headers: { 'user-agent': 'make admin' },
  principal: null,
  traceparent: null,
});

async function insertAdmin(
  trx: Transaction<Tables>,
  { email, emailKey }: EmailAddress,
  passwordHash: string,
): Promise<User> {
  const user = await insertUser(trx, {
    id: uuidv7(Date.now()),
    type: 'admin',
    name: null,
    first_name: null,
    last_name: null,
    email,
    email_key: emailKey,
    password_hash: passwordHash,
  });
  if (!user) throw new Error('The account was created at this moment. Run the command again.');
  return user;
}
