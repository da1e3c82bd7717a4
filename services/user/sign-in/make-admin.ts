import { randomBytes } from 'node:crypto';
import type { Transaction } from 'kysely';
import { uuidv7 } from '@muniment/database';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { openSession, type SessionTokens } from '../sessions/open-session.ts';
import type { Tables, User } from '../tables.ts';
import { parseEmail, type EmailAddress } from '../users/email-address.ts';
import { insertUser, lockUserByEmailKey } from '../users/user-queries.ts';
import { grantAdmin, type GrantContext } from './grant-admin.ts';
import { dropAccess } from './revoke-access.ts';
import { administratorMade } from './sign-in-events.ts';

export interface MadeAdmin extends SessionTokens {
  user_id: string;
  /** Only for a new account; shown once and stored nowhere. */
  password?: string;
  /** Nobody had proved the address, so a mail leads to a new password. */
  password_voided: boolean;
}

/** Makes an account an administrator's and opens a session, for operators. */
export async function makeAdmin(
  context: GrantContext & Pick<UserContext, 'data' | 'auth' | 'passwords'>,
  typedEmail: string,
): Promise<MadeAdmin> {
  const address = parseEmail(typedEmail);
  const { email, emailKey } = address;
  const request = commandRequest();
  const password = randomBytes(18).toString('base64url');
  const passwordHash = await context.passwords.hash(password, { role: 'admin', email });
  const locale = context.mail.languages.choose(undefined);
  const { made, revoked } = await context.data.inTransaction(request, async (trx, record) => {
    const existing = await lockUserByEmailKey(trx, emailKey);
    const { id } = existing ?? (await insertAdmin(trx, address, passwordHash));
    const revoked =
      existing && (await grantAdmin(context, { trx, record }, { user: existing, locale }));
    const tokens = await openSession(context, trx, { request, user: { id, type: 'admin' } });
    const sessionId = tokens.session_id;
    await record(administratorMade(id, { existing, revoked, email, sessionId }));
    return { revoked, made: { user_id: id, ...tokens, ...(!existing && { password }) } };
  });
  if (revoked) dropAccess(context, revoked);
  return { ...made, password_voided: revoked !== undefined };
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
