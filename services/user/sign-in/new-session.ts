import type { Transaction } from 'kysely';
import { afterCommit, type RequestContext, type RequestEvent } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { openSession, type SessionTokens } from '../sessions/open-session.ts';
import { revokeReplacedSession, type ReplacedSession } from '../sessions/revoke-session.ts';
import type { Tables, User } from '../tables.ts';
import { createDeviceToken } from './device-tokens.ts';

export type SignInContext = Pick<
  UserContext,
  | 'config'
  | 'http'
  | 'data'
  | 'audit'
  | 'auth'
  | 'crypto'
  | 'failureFloor'
  | 'limits'
  | 'passwords'
  | 'stuffing'
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
  /** Runs in the same transaction, after the event of the sign-in is recorded. */
  afterEvent?: () => Promise<unknown>;
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
      ...(replaced && { afterEvent: () => revokeReplacedSession(trx, record, replaced) }),
    };
  };
}

/** After the commit, this replica refuses the replaced session at once. */
export function dropReplacedSession(
  { auth }: Pick<UserContext, 'auth'>,
  request: RequestContext,
  replaced: ReplacedSession | undefined,
): void {
  if (replaced) afterCommit(request, () => auth.sessions.drop(replaced.id));
}

/** Adds the token by which a later login shows that this device is known. */
export function addDeviceToken(context: SignInContext, { user, tokens }: SignedIn): SignedIn {
  return { user, tokens: { ...tokens, device_token: createDeviceToken(context, user) } };
}
