import { uuidv7 } from '@muniment/database';
import { passwordRefusal, clientNetwork } from '@muniment/security';
import { afterCommit, type RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { parseEmail } from '../users/email-address.ts';
import { EmailTaken } from '../errors.ts';
import { newDeviceToken } from './login-limits.ts';
import { openSession } from '../sessions/open-session.ts';
import { insertUser } from '../users/user-queries.ts';
import { revokeReplacedSession, type ReplacedSession } from '../sessions/revoke-session.ts';
import type { SignedIn } from './sign-in.ts';
import type { User } from '../tables.ts';

export interface SignUp {
  email: string;
  password: string;
  name?: string;
  first_name?: string;
  last_name?: string;
  type?: 'customer' | 'vendor';
}

/**
 * Makes an account with its first session, by whichever of the documents' paths. Success and refusal are events.
 * @param replaced ends with it
 * @throws EmailMalformed, EmailTaken, `password_length`, `password_malformed` or `password_common`, RateLimited
 */
export async function signUp(
  server: UserContext,
  request: RequestContext,
  wanted: SignUp,
  replaced?: ReplacedSession,
): Promise<SignedIn> {
  const { user, tokens } = await makeAccount(server, request, wanted, { session: true, replaced });
  if (!tokens) throw new Error('an account was made without its session');
  return { user, tokens };
}

/** The same for a client that keeps no session. @throws as `signUp` */
export async function signUpWithoutSession(
  server: UserContext,
  request: RequestContext,
  wanted: SignUp,
): Promise<User> {
  return (await makeAccount(server, request, wanted, { session: false })).user;
}

async function makeAccount(
  server: UserContext,
  request: RequestContext,
  wanted: SignUp,
  { session, replaced }: { session: boolean; replaced?: ReplacedSession | undefined },
): Promise<{ user: User; tokens: SignedIn['tokens'] | undefined }> {
  const { email, emailKey } = parseEmail(wanted.email);
  await server.limits.consume([['register_network', clientNetwork(request.ip)]], () =>
    server.recordFor(request, {
      action: 'SIGNUP_FAIL',
      outcome: 'failure',
      error: 'rate_limited',
      subject: { address: emailKey },
      personal: { email },
    }),
  );
  // Hashed before the address is looked at: an address that is taken must not answer faster.
  const passwordHash = await server.passwords
    .hash(wanted.password, { role: wanted.type ?? 'customer', email })
    .catch(async (error: unknown) => {
      const refusal = passwordRefusal(error);
      if (refusal)
        await server.recordFor(request, {
          action: 'SIGNUP_FAIL',
          outcome: 'failure',
          error: refusal,
          subject: { address: emailKey },
          personal: { email },
        });
      throw error;
    });
  const signedIn = await server.inTransaction(request, async (trx, record) => {
    const user = await insertUser(trx, {
      id: uuidv7(Date.now()),
      type: wanted.type ?? 'customer',
      name: wanted.name ?? null,
      first_name: wanted.first_name ?? null,
      last_name: wanted.last_name ?? null,
      email,
      email_key: emailKey,
      password_hash: passwordHash,
    });
    if (!user) {
      await record({
        action: 'SIGNUP_FAIL',
        outcome: 'failure',
        error: 'email_taken',
        subject: { address: emailKey },
        personal: { email },
      });
      return undefined;
    }
    const tokens = session ? await openSession(server, trx, request, user) : undefined;
    await record({
      action: 'SIGNUP_SUCCESS',
      user_id: user.id,
      subject: { userId: user.id },
      personal: { email },
      resource: user.id,
      resource_type: 'user',
      session_id: tokens?.session_id ?? null,
      metadata: { type: user.type },
    });
    if (replaced) await revokeReplacedSession(trx, record, replaced);
    return { user, tokens };
  });
  if (!signedIn) throw new EmailTaken();
  if (replaced) afterCommit(request, () => server.sessions.drop(replaced.id));
  return {
    ...signedIn,
    tokens: signedIn.tokens && {
      ...signedIn.tokens,
      device_token: newDeviceToken(server, emailKey),
    },
  };
}
