import { isLongEnough } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserServer } from './user-server.ts';
import { parseEmail, type EmailAddress } from './email.ts';
import { InvalidCredentials, PasswordChangeRequired } from './errors.ts';
import { openSession, type SessionTokens } from './open-session.ts';
import { findUserByEmailKey, lockUnchangedUser, setPasswordHash } from './queries/users.ts';
import type { User } from './tables.ts';

/** Who was let in, and the first tokens of the new session. */
export interface SignedIn {
  user: User;
  tokens: SessionTokens;
}

/**
 * Lets a user in by address and password, by whichever of the documents' paths; always into a session that did not exist before. Success and
 * refusal are events.
 * @throws EmailMalformed, InvalidCredentials, PasswordChangeRequired
 */
export async function signIn(server: UserServer, request: RequestContext, credentials: { email: string; password: string }): Promise<SignedIn> {
  const address = parseEmail(credentials.email);
  const user = await findUserByEmailKey(server.db, address.emailKey);
  const verified = await checkPassword(server, user, credentials.password);
  // The account was made an administrator's with a password that none may set: told only to who knows it.
  const tooShort = user?.status === 'active' && verified.ok && !isLongEnough(credentials.password, user.type);
  const signedIn = user && verified.ok && !tooShort ? await letIn(server, request, user, address, verified.newHash) : undefined;
  if (signedIn) return signedIn;
  await server.recordFor(request, {
    action: 'LOGIN_FAIL', outcome: 'failure', error: tooShort ? 'password_change_required' : 'invalid_credentials', personal: { email: address.email },
    // Nobody is authenticated, so nobody acted; but the owner of a known account may see who tried.
    subject: user ? { userId: user.id } : { address: address.emailKey },
    resource: user?.id ?? null, resource_type: user ? 'user' : null,
  });
  throw tooShort ? new PasswordChangeRequired() : new InvalidCredentials();
}

/** Costs one hash, whether or not there is such an account. `newHash` when the stored one is weaker than configured. */
async function checkPassword({ passwords }: UserServer, user: User | undefined, password: string): Promise<{ ok: boolean; newHash?: string }> {
  if (!user?.password_hash) return { ok: await passwords.verifyDummy(password) };
  const { ok, needsRehash } = await passwords.verify(user.password_hash, password);
  return ok && needsRehash ? { ok, newHash: await passwords.rehash(password) } : { ok };
}

async function letIn(
  server: UserServer, request: RequestContext, user: User, { email }: EmailAddress, newHash: string | undefined,
): Promise<SignedIn | undefined> {
  if (user.status !== 'active' || user.password_hash === null) return undefined;
  const checkedHash = user.password_hash;
  return server.inTransaction(request, async (trx, record) => {
    if (!(await lockUnchangedUser(trx, user.id, checkedHash, newHash === undefined ? 'share' : 'update'))) throw new InvalidCredentials();
    if (newHash !== undefined) await setPasswordHash(trx, user.id, newHash);
    const tokens = await openSession(server, trx, request, user);
    await record({
      action: 'LOGIN_SUCCESS', user_id: user.id, subject: { userId: user.id }, personal: { email },
      resource: user.id, resource_type: 'user', session_id: tokens.session_id,
    });
    return { user, tokens };
  }).catch((error: unknown) => {
    // The password changed or the account was closed while the hash was computed: a failed login like any other.
    if (error instanceof InvalidCredentials) return undefined;
    throw error;
  });
}
