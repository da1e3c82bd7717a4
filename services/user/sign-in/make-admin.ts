import { randomBytes } from 'node:crypto';
import { uuidv7 } from '@muniment/database';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { parseEmail } from '../users/email-address.ts';
import { openSession, type SessionTokens } from '../sessions/open-session.ts';
import { findUserByEmailKey, insertUser, updateUserType } from '../users/user-queries.ts';

export interface MadeAdmin extends SessionTokens {
  user_id: string;
  /** Only for an account that was just made; shown once and kept nowhere. */
  password?: string;
}

/**
 * Makes an account an administrator's, creating it when there is none, and opens a session for it. An operator's command: it goes around the API,
 * but not around the audit trail.
 */
export async function makeAdmin(server: UserContext, typedEmail: string): Promise<MadeAdmin> {
  const { email, emailKey } = parseEmail(typedEmail);
  const request: RequestContext = {
    id: randomBytes(16).toString('hex'),
    ip: '127.0.0.1',
    headers: { 'user-agent': 'make admin' },
    principal: null,
    traceparent: null,
  };
  const password = randomBytes(18).toString('base64url');
  const passwordHash = await server.passwords.hash(password, { role: 'admin', email });
  return server.inTransaction(request, async (trx, record) => {
    const existing = await findUserByEmailKey(trx, emailKey);
    const user =
      existing ??
      (await insertUser(trx, {
        id: uuidv7(Date.now()),
        type: 'admin',
        name: null,
        first_name: null,
        last_name: null,
        email,
        email_key: emailKey,
        password_hash: passwordHash,
      }));
    if (!user)
      throw new Error(
        'the account was made by somebody else at this moment; run the command again',
      );
    if (existing) await updateUserType(trx, user.id, 'admin');
    const tokens = await openSession(server, trx, request, { id: user.id, type: 'admin' });
    await record({
      action: existing ? 'USER_UPDATED' : 'USER_CREATED',
      subject: { userId: user.id },
      personal: { email },
      resource: user.id,
      resource_type: 'user',
      session_id: tokens.session_id,
      metadata: {
        fields: existing?.status === 'active' ? ['type'] : ['status', 'type'],
        type: 'admin',
        status: 'active',
        by: 'operator',
      },
    });
    return { user_id: user.id, ...tokens, ...(!existing && { password }) };
  });
}
