import { isLongEnough } from '@muniment/security';
import { afterCommit, type RequestContext, type RequestEvent } from '@muniment/server';
import type { Transaction } from 'kysely';
import type { UserContext } from '../context.ts';
import { parseEmail, type EmailAddress } from '../users/email-address.ts';
import { InvalidCredentials, PasswordChangeRequired } from '../errors.ts';
import {
  deviceTokensOf,
  newDeviceToken,
  consumeLoginAttempt,
  type LoginAttempt,
} from './login-limits.ts';
import { openSession, type SessionTokens } from '../sessions/open-session.ts';
import {
  findUserByEmailKey,
  lockUnchangedUser,
  updatePasswordHash,
} from '../users/user-queries.ts';
import { revokeReplacedSession, type ReplacedSession } from '../sessions/revoke-session.ts';
import type { Tables, User } from '../tables.ts';

/** Who was let in, and the first tokens of the new session. */
export interface SignedIn {
  user: User;
  tokens: SessionTokens;
}

/** What somebody shows who wants to be let in. */
export interface Credentials {
  email: string;
  password: string;
  /** Of an earlier success, by which limits know the device. */
  device_token?: string;
}

/**
 * What a user whose password is right gets, made in the transaction that lets them in; and the session, if one is opened. `afterwards` is done there behind
 * the event of the sign-in, which stays the transaction's first.
 */
export type OnSignedIn<Entered> = (
  trx: Transaction<Tables>,
  user: User,
  record: (event: RequestEvent) => Promise<string>,
) => Promise<{ sessionId: string | null; entered: Entered; afterwards?: () => Promise<unknown> }>;

/**
 * Lets a user in by address and password, by whichever of the documents' paths; always into a session that did not exist before. Success and
 * refusal are events.
 * @param replaced ends with it
 * @throws EmailMalformed, InvalidCredentials, PasswordChangeRequired, RateLimited
 */
export async function signIn(
  server: UserContext,
  request: RequestContext,
  credentials: Credentials,
  replaced?: ReplacedSession,
): Promise<SignedIn> {
  const { user, tokens } = await authenticatePassword(
    server,
    request,
    credentials,
    'share',
    async (trx, user, record) => {
      const tokens = await openSession(server, trx, request, user);
      return {
        sessionId: tokens.session_id,
        entered: { user, tokens },
        ...(replaced && { afterwards: () => revokeReplacedSession(trx, record, replaced) }),
      };
    },
  );
  if (replaced) afterCommit(request, () => server.sessions.drop(replaced.id));
  return { user, tokens: { ...tokens, device_token: newDeviceToken(server, user.email_key) } };
}

/**
 * The same, for whatever the password is to give.
 * @param lock on the account while that is made. One that locks it further must ask for `update`: two that share a lock and both want more end each other
 * @throws as `signIn`, and as `enter`
 */
export async function authenticatePassword<Entered>(
  server: UserContext,
  request: RequestContext,
  credentials: Credentials,
  lock: 'share' | 'update',
  enter: OnSignedIn<Entered>,
): Promise<Entered> {
  const address = parseEmail(credentials.email);
  const deviceTokens = deviceTokensOf(server, request, credentials);
  // Before the password is looked at: its hash is what a flood would spend.
  const loginTry = await consumeLoginAttempt(server, request, address, deviceTokens, async () =>
    recordFailure(
      server,
      request,
      address,
      await findUserByEmailKey(server.db, address.emailKey),
      'rate_limited',
    ),
  );
  try {
    return await check(server, request, address, credentials.password, loginTry, lock, enter);
  } catch (error) {
    // Overload or an outage decided nothing.
    if (!(error instanceof InvalidCredentials || error instanceof PasswordChangeRequired))
      await loginTry.refund();
    throw error;
  }
}

function recordFailure(
  server: UserContext,
  request: RequestContext,
  address: EmailAddress,
  user: User | undefined,
  error: string,
): Promise<string> {
  return server.recordFor(request, {
    action: 'LOGIN_FAIL',
    outcome: 'failure',
    error,
    personal: { email: address.email },
    // Nobody is authenticated, so nobody acted; but the owner of a known account may see who tried.
    subject: user ? { userId: user.id } : { address: address.emailKey },
    resource: user?.id ?? null,
    resource_type: user ? 'user' : null,
  });
}

async function check<Entered>(
  server: UserContext,
  request: RequestContext,
  address: EmailAddress,
  password: string,
  loginTry: LoginAttempt,
  lock: 'share' | 'update',
  enter: OnSignedIn<Entered>,
): Promise<Entered> {
  const user = await findUserByEmailKey(server.db, address.emailKey);
  const verified = await checkPassword(server, user, password);
  // The account was made an administrator's with a password that none may set: told only to who knows it.
  const tooShort = user?.status === 'active' && verified.ok && !isLongEnough(password, user.type);
  const signedIn =
    user && verified.ok && !tooShort
      ? await completeSignIn(server, request, user, address, verified.newHash, lock, enter)
      : undefined;
  if (signedIn) {
    await loginTry.succeeded();
    return signedIn.entered;
  }
  await recordFailure(
    server,
    request,
    address,
    user,
    tooShort ? 'password_change_required' : 'invalid_credentials',
  );
  // Whoever hears that the password is too short has shown that they know it.
  if (tooShort) {
    await loginTry.succeeded();
    throw new PasswordChangeRequired();
  }
  await loginTry.failed();
  throw new InvalidCredentials();
}

/** Costs one hash, whether or not there is such an account. `newHash` when the stored one is weaker than configured. */
async function checkPassword(
  { passwords }: UserContext,
  user: User | undefined,
  password: string,
): Promise<{ ok: boolean; newHash?: string }> {
  if (!user?.password_hash) return { ok: await passwords.verifyDummy(password) };
  const { ok, needsRehash } = await passwords.verify(user.password_hash, password);
  return ok && needsRehash ? { ok, newHash: await passwords.rehash(password) } : { ok };
}

async function completeSignIn<Entered>(
  server: UserContext,
  request: RequestContext,
  user: User,
  { email }: EmailAddress,
  newHash: string | undefined,
  lock: 'share' | 'update',
  enter: OnSignedIn<Entered>,
): Promise<{ entered: Entered } | undefined> {
  if (user.status !== 'active' || user.password_hash === null) return undefined;
  const checkedHash = user.password_hash;
  return server
    .inTransaction(request, async (trx, record) => {
      if (
        !(await lockUnchangedUser(trx, user.id, {
          passwordHash: checkedHash,
          mode: newHash === undefined ? lock : 'update',
        }))
      )
        throw new InvalidCredentials();
      if (newHash !== undefined) await updatePasswordHash(trx, user.id, newHash);
      const { sessionId, entered, afterwards } = await enter(trx, user, record);
      await record({
        action: 'LOGIN_SUCCESS',
        user_id: user.id,
        subject: { userId: user.id },
        personal: { email },
        resource: user.id,
        resource_type: 'user',
        session_id: sessionId,
      });
      await afterwards?.();
      return { entered };
    })
    .catch((error: unknown) => {
      // The password changed or the account was closed while the hash was computed: a failed login like any other.
      if (error instanceof InvalidCredentials) return undefined;
      throw error;
    });
}
