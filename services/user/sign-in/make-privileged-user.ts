import { randomBytes } from 'node:crypto';
import type { Transaction } from 'kysely';
import { uuidv7 } from '@muniment/database';
import type { PrivilegedRole } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { openSession, type SessionTokens } from '../sessions/open-session.ts';
import type { Tables, User } from '../tables.ts';
import { parseEmail, type EmailAddress } from '../users/email-address.ts';
import { insertUser, lockUserByEmailKey } from '../users/user-queries.ts';
import { grantRole, type GrantContext } from './grant-role.ts';
import { dropAccess } from './revoke-access.ts';
import { privilegedUserMade } from './sign-in-events.ts';

export interface MadeUser extends SessionTokens {
  user_id: string;
  /** Only for a new account; shown once and stored nowhere. */
  password?: string;
  /** Nobody had proved the address, so a mail leads to a new password. */
  password_voided: boolean;
}

/**
 * Makes an account an administrator's or auditor's and opens a session, for operators.
 * @throws EmailMalformed, LastAdministrator
 */
export async function makePrivilegedUser(
  context: GrantContext & Pick<UserContext, 'data' | 'auth' | 'passwords'>,
  { email: typedEmail, type }: { email: string; type: PrivilegedRole },
): Promise<MadeUser> {
  const address = parseEmail(typedEmail);
  const { email, emailKey } = address;
  const request = commandRequest(type);
  const password = randomBytes(18).toString('base64url');
  const passwordHash = await context.passwords.hash(password, { role: type, email });
  const locale = context.mail.languages.choose(undefined);
  const { made, granted } = await context.data.inTransaction(request, async (trx, record) => {
    const existing = await lockUserByEmailKey(trx, emailKey);
    const { id } =
      existing ?? (await insertPrivilegedUser(trx, { ...address, type, passwordHash }));
    const granted =
      existing && (await grantRole(context, { trx, record }, { user: existing, type, locale }));
    const tokens = await openSession(context, trx, { request, user: { id, type } });
    const sessionId = tokens.session_id;
    await record(privilegedUserMade(id, { existing, granted, type, email, sessionId }));
    return { granted, made: { user_id: id, ...tokens, ...(!existing && { password }) } };
  });
  if (granted) dropAccess(context, granted.revoked);
  return { ...made, password_voided: granted?.passwordVoided ?? false };
}

/** The command bypasses the API, but not the audit trail. */
const commandRequest = (type: PrivilegedRole): RequestContext => ({
  id: randomBytes(16).toString('hex'),
  ip: '127.0.0.1',
  headers: { 'user-agent': `make ${type}` },
  principal: null,
  traceparent: null,
});

async function insertPrivilegedUser(
  trx: Transaction<Tables>,
  {
    email,
    emailKey,
    type,
    passwordHash,
  }: EmailAddress & Pick<User, 'type'> & { passwordHash: string },
): Promise<User> {
  const user = await insertUser(trx, {
    id: uuidv7(Date.now()),
    type,
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
