import { uuidv7 } from '@muniment/database';
import { clientNetwork, passwordRefusal } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import { EmailTaken } from '../errors.ts';
import type { ReplacedSession } from '../sessions/revoke-session.ts';
import type { User } from '../tables.ts';
import { parseEmail, type EmailAddress } from '../users/email-address.ts';
import { insertUser, type NewUser } from '../users/user-queries.ts';
import {
  addDeviceToken,
  dropReplacedSession,
  openNewSession,
  type OnSignedIn,
  type SignedIn,
  type SignInContext,
} from './new-session.ts';
import { signupFailed, signupSucceeded } from './sign-in-events.ts';

export interface Registration {
  email: string;
  password: string;
  name?: string;
  first_name?: string;
  last_name?: string;
  type?: 'customer' | 'vendor';
}

/**
 * Creates an account, opens its first session and ends the replaced one.
 * @throws EmailMalformed, EmailTaken, RateLimited, or a password rule's error
 */
export async function signUp(
  context: SignInContext,
  request: RequestContext,
  {
    registration,
    replaced,
  }: { registration: Registration; replaced?: ReplacedSession | undefined },
): Promise<SignedIn> {
  const onCreated = openNewSession(context, request, replaced);
  const signedIn = await createAccount(context, request, { registration, onCreated });
  dropReplacedSession(context, request, replaced);
  return addDeviceToken(context, signedIn);
}

/** Creates an account without a session. @throws as `signUp` */
export async function signUpWithoutSession(
  context: SignInContext,
  request: RequestContext,
  registration: Registration,
): Promise<User> {
  return createAccount(context, request, {
    registration,
    onCreated: async (_trx, user) => ({ sessionId: null, result: user }),
  });
}

interface AccountCreation<Result> {
  registration: Registration;
  onCreated: OnSignedIn<Result>;
}

async function createAccount<Result>(
  context: SignInContext,
  request: RequestContext,
  { registration, onCreated }: AccountCreation<Result>,
): Promise<Result> {
  const { data, audit, limits } = context;
  const address = parseEmail(registration.email);
  await limits.consume([['register_network', clientNetwork(request.ip)]], () =>
    audit.record(request, signupFailed(address, 'rate_limited')),
  );
  // Hashed before the address is looked up: a taken address must not answer faster.
  const passwordHash = await hashPassword(context, request, { registration, address });
  const created = await data.inTransaction(request, async (trx, record) => {
    const user = await insertUser(trx, toNewUser(registration, address, passwordHash));
    if (!user) {
      await record(signupFailed(address, 'email_taken'));
      return undefined;
    }
    const { sessionId, result, afterEvent } = await onCreated(trx, user, record);
    await record(signupSucceeded(user, { email: address.email, sessionId }));
    await afterEvent?.();
    return { result };
  });
  if (!created) throw new EmailTaken();
  return created.result;
}

const roleOf = ({ type = 'customer' }: Registration) => type;

async function hashPassword(
  { audit, passwords }: SignInContext,
  request: RequestContext,
  { registration, address }: { registration: Registration; address: EmailAddress },
): Promise<string> {
  const owner = { role: roleOf(registration), email: address.email };
  try {
    return await passwords.hash(registration.password, owner);
  } catch (error) {
    const refusal = passwordRefusal(error);
    if (refusal) await audit.record(request, signupFailed(address, refusal));
    throw error;
  }
}

const toNewUser = (
  registration: Registration,
  { email, emailKey }: EmailAddress,
  passwordHash: string,
): NewUser => ({
  id: uuidv7(Date.now()),
  type: roleOf(registration),
  name: registration.name ?? null,
  first_name: registration.first_name ?? null,
  last_name: registration.last_name ?? null,
  email,
  email_key: emailKey,
  password_hash: passwordHash,
});
