import type { Transaction } from 'kysely';
import { afterCommit, type RequestContext, type RequestEvent } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { openSession, type SessionTokens } from '../sessions/open-session.ts';
import { revokeReplacedSession, type ReplacedSession } from '../sessions/revoke-session.ts';
import type { Tables, User } from '../tables.ts';
import { createDeviceToken } from './device-tokens.ts';

export type SignInContext = Pick<
  UserContext,
  'config' | 'http' | 'data' | 'audit' | 'auth' | 'limits' | 'passwords' | 'stuffing'
>;

export interface SignedIn {
  user: User;
  tokens: SessionTokens;
}

/** What a transaction creates for an authenticated user. */
export interface Creation<Result> {
  /** null when no session is opened. */
  sessionId: string | null;
  result: Result;
  /** Runs after the login's event, which comes first in the transaction. */
  afterwards?: () => Promise<unknown>;
}

export type OnSignedIn<Result> = (
  trx: Transaction<Tables>,
  user: User,
  record: (event: RequestEvent) => Promise<string>,
) => Promise<Creation<Result>>;

/** Opens a session and ends the replaced one, as a login's last step. */
export function openNewSession(
  context: SignInContext,
  request: RequestContext,
  replaced: ReplacedSession | undefined,
): OnSignedIn<SignedIn> {
  return async (trx, user, record) => {
    const tokens = await openSession(context, trx, { request, user });
    return {
      sessionId: tokens.session_id,
      result: { user, tokens },
      ...(replaced && { afterwards: () => revokeReplacedSession(trx, record, replaced) }),
    };
  };
}

/** Tells this replica of the replaced session's end, and adds the device token. */
export function finishSignIn(
  context: SignInContext,
  request: RequestContext,
  { signedIn, replaced }: { signedIn: SignedIn; replaced: ReplacedSession | undefined },
): SignedIn {
  const { user, tokens } = signedIn;
  if (replaced) afterCommit(request, () => context.auth.sessions.drop(replaced.id));
  return { user, tokens: { ...tokens, device_token: createDeviceToken(context, user.email_key) } };
}
