import { issueDeviceToken, verifyDeviceToken } from '@muniment/security';
import { clientNetwork, type Counted, type RequestContext } from '@muniment/server';
import type { UserServer } from './user-server.ts';
import type { EmailAddress } from './email.ts';
import { watchFailure, watchSuccess } from './credential-stuffing.ts';

/** A try to sign in that has been counted before its outcome is known: fifty wrong passwords at once are fifty. */
export interface LoginTry {
  failed(): Promise<void>;
  succeeded(): Promise<void>;
  /** It was none: something else than the password kept it from being decided. */
  void(): Promise<void>;
}

const secretOf = ({ limits }: Pick<UserServer, 'limits'>): Buffer => limits.secret('device-tokens');

/** For who has just signed in to the account of the address, on whatever device. */
export const newDeviceToken = (server: Pick<UserServer, 'limits'>, emailKey: string): string => issueDeviceToken(secretOf(server), emailKey);

/**
 * Counts a try to sign in, by what the caller shows: on a device that the account knows by that device alone, else by account and network. So strangers use up
 * what strangers have, and the owner, on a device of theirs, is not among them. Whether there is such an account is not looked at.
 * @throws RateLimited
 */
export async function takeLoginTry(
  server: UserServer, request: RequestContext, { emailKey }: EmailAddress, deviceTokens: readonly string[], onFirstRefusal: () => Promise<unknown>,
): Promise<LoginTry> {
  const secret = secretOf(server);
  const device = deviceTokens.map((token) => verifyDeviceToken(secret, emailKey, token)).find((nonce) => nonce !== undefined);
  const counted: Counted[] = device === undefined
    ? [['login_account', emailKey], ['login_account_day', emailKey], ['login_network', clientNetwork(request.ip)]]
    : [['login_device', device]];
  const taken = await server.limits.take(counted, onFirstRefusal);
  return {
    failed: () => watchFailure(server, request, emailKey),
    async succeeded() {
      await taken.refund();
      await watchSuccess(server);
    },
    void: () => taken.refund(),
  };
}
