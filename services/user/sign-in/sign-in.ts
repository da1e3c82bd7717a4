import { isLongEnough } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { InvalidCredentials, PasswordChangeRequired } from '../errors.ts';
import type { ReplacedSession } from '../sessions/revoke-session.ts';
import type { User } from '../tables.ts';
import { parseEmail, type EmailAddress } from '../users/email-address.ts';
import { storedHashOf, verifyStoredPassword } from '../users/stored-password.ts';
import { findUserByEmailKey, lockUnchangedUser, updateRehashed } from '../users/user-queries.ts';
import { findKnownDevice, readDevices } from './device-tokens.ts';
import { consumeLoginAttempt } from './login-limits.ts';
import {
  addDeviceToken,
  dropReplacedSession,
  openNewSession,
  type OnSignedIn,
  type SignedIn,
  type SignInContext,
} from './new-session.ts';
import { loginFailed, loginSucceeded } from './sign-in-events.ts';

export interface Credentials {
  email: string;
  password: string;
  /** From an earlier login on this device. */
  device_token?: string;
}

/**
 * Logs a user in by password. Always opens a new session, and ends the replaced one.
 * @throws EmailMalformed, InvalidCredentials, PasswordChangeRequired, RateLimited
 */
export async function signIn(
  context: SignInContext,
  request: RequestContext,
  { credentials, replaced }: { credentials: Credentials; replaced?: ReplacedSession | undefined },
): Promise<SignedIn> {
  const signedIn = await authenticatePassword(context, request, {
    credentials,
    lock: 'share',
    onSignedIn: openNewSession(context, request, replaced),
  });
  dropReplacedSession(context, request, replaced);
  return addDeviceToken(context, signedIn);
}

interface PasswordLogin<Result> {
  credentials: Credentials;
  /** `update` where `onSignedIn` locks the row for update: two `share` holders would deadlock. */
  lock: 'share' | 'update';
  /** Called with the right password, before the transaction. What it throws refuses the login. */
  beforeSignIn?: ((user: User) => Promise<unknown>) | undefined;
  onSignedIn: OnSignedIn<Result>;
}

/**
 * Checks a password and calls `onSignedIn` in the login's transaction.
 * @throws as `signIn` and `onSignedIn`
 */
export async function authenticatePassword<Result>(
  context: SignInContext,
  request: RequestContext,
  { credentials, ...login }: PasswordLogin<Result>,
): Promise<Result> {
  const address = parseEmail(credentials.email);
  const findUser = () => findUserByEmailKey(context.data.db, address.emailKey);
  const devices = readDevices(context, request, credentials.device_token);
  // One look-up in either order, so neither its time nor its number tells who has an account.
  const known = devices.length > 0 ? { user: await findUser() } : undefined;
  // Counted before the password is hashed: a hash is what a flood would cost.
  const attempt = await consumeLoginAttempt(context, request, {
    emailKey: address.emailKey,
    device: findKnownDevice(devices, known?.user),
    onFirstRefusal: async () =>
      recordFailure(context, request, { address, user: await findUser(), error: 'rate_limited' }),
  });
  try {
    const { user } = known ?? { user: await findUser() };
    const { result } = await completeAttempt(context, request, {
      ...login,
      user,
      address,
      password: credentials.password,
    });
    await attempt.succeeded();
    return result;
  } catch (error) {
    if (error instanceof InvalidCredentials) await attempt.failed();
    // Only a caller who knows the password learns that it is too short for an administrator.
    else if (error instanceof PasswordChangeRequired) await attempt.succeeded();
    // An overload or an outage says nothing about the password.
    else await attempt.refund();
    throw error;
  }
}

interface Attempt<Result> extends Omit<PasswordLogin<Result>, 'credentials'> {
  user: User | undefined;
  address: EmailAddress;
  password: string;
}

/** @throws InvalidCredentials, PasswordChangeRequired, both recorded */
async function completeAttempt<Result>(
  context: SignInContext,
  request: RequestContext,
  { user, address, password, ...login }: Attempt<Result>,
): Promise<{ result: Result }> {
  const startedAt = performance.now();
  const { ok, newHash } = await verifyPassword(context, user, password);
  if (user?.status === 'active' && ok && !isLongEnough(password, user.type)) {
    await recordFailure(context, request, { address, user, error: 'password_change_required' });
    throw new PasswordChangeRequired();
  }
  const completion = { ...login, email: address.email, newHash };
  const completed =
    user && ok ? await completeSignIn(context, request, { user, ...completion }) : undefined;
  if (completed) return completed;
  await context.failureFloor.wait(startedAt);
  await recordFailure(context, request, { address, user, error: 'invalid_credentials' });
  throw new InvalidCredentials();
}

/** A known account's event needs its key, which may have to be read. Others' reads are imitated. */
async function recordFailure(
  { audit, crypto, data, limits }: SignInContext,
  request: RequestContext,
  { address, user, error }: { address: EmailAddress; user: User | undefined; error: string },
): Promise<void> {
  if (!user) {
    const name = limits.key(['login_account', address.emailKey]).toString('hex');
    await crypto.subjectKeys.imitate(data.db, name);
  }
  await audit.record(request, loginFailed(address, user, error));
}

interface Verified {
  ok: boolean;
  /** Present when the stored hash is weaker than configured. */
  newHash?: string;
}

async function verifyPassword(
  { passwords }: Pick<UserContext, 'passwords'>,
  user: User | undefined,
  password: string,
): Promise<Verified> {
  const { ok, needsRehash } = await verifyStoredPassword(passwords, user, password);
  return ok && needsRehash ? { ok, newHash: await passwords.rehash(password) } : { ok };
}

interface Completion<Result> extends Omit<PasswordLogin<Result>, 'credentials'> {
  user: User;
  email: string;
  newHash: string | undefined;
}

/** Undefined when the account is inactive or changed during the hash. */
async function completeSignIn<Result>(
  { data }: Pick<UserContext, 'data'>,
  request: RequestContext,
  { user, email, newHash, lock, beforeSignIn, onSignedIn }: Completion<Result>,
): Promise<{ result: Result } | undefined> {
  const { id, status } = user;
  const passwordHash = storedHashOf(user);
  if (status !== 'active' || passwordHash === null) return undefined;
  await beforeSignIn?.(user);
  const mode = newHash === undefined ? lock : 'update';
  try {
    return await data.inTransaction(request, async (trx, record) => {
      if (!(await lockUnchangedUser(trx, id, { passwordHash, mode })))
        throw new InvalidCredentials();
      if (newHash !== undefined) await updateRehashed(trx, id, newHash);
      const { sessionId, result, afterEvent } = await onSignedIn(trx, user, record);
      await record(loginSucceeded(id, { email, sessionId }));
      await afterEvent?.();
      return { result };
    });
  } catch (error) {
    if (error instanceof InvalidCredentials) return undefined;
    throw error;
  }
}
