import { issueDeviceToken, verifyDeviceToken, clientNetwork } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import type { EmailAddress } from '../users/email-address.ts';
import { observeFailure, refundFailure } from './credential-stuffing.ts';

/** A try to sign in that has been counted before its outcome is known: fifty wrong passwords at once are fifty. */
export interface LoginAttempt {
  failed(): Promise<void>;
  succeeded(): Promise<void>;
  /** It was none: something else than the password kept it from being decided. */
  refund(): Promise<void>;
}

const secretOf = ({ limits }: Pick<UserContext, 'limits'>): Buffer =>
  limits.secret('device-tokens');

/** For who has just signed in to the account of the address, on whatever device. */
export const newDeviceToken = (server: Pick<UserContext, 'limits'>, emailKey: string): string =>
  issueDeviceToken(secretOf(server), emailKey);

/** The device tokens that a request brings, in its body and in cookies. */
export const deviceTokensOf = (
  server: Pick<UserContext, 'cookies'>,
  request: RequestContext,
  { device_token: token }: { device_token?: string },
): string[] => [...(token === undefined ? [] : [token]), ...server.cookies.deviceTokens(request)];

/** By which device token of the account a request is known, if it has one. */
export function knownDevice(
  server: Pick<UserContext, 'limits'>,
  emailKey: string,
  deviceTokens: readonly string[],
): string | undefined {
  const secret = secretOf(server);
  return deviceTokens
    .map((token) => verifyDeviceToken(secret, emailKey, token))
    .find((nonce) => nonce !== undefined);
}

/**
 * Counts a try to sign in, by what the caller shows: on a device that the account knows by that device alone, else by account and network. So strangers use up
 * what strangers have, and the owner, on a device of theirs, is not among them. What a device has used up it has left what strangers have. Whether there is
 * such an account is not looked at.
 * @throws RateLimited
 */
export async function consumeLoginAttempt(
  server: UserContext,
  request: RequestContext,
  { emailKey }: EmailAddress,
  deviceTokens: readonly string[],
  onFirstRefusal: () => Promise<unknown>,
): Promise<LoginAttempt> {
  const { limits, log } = server;
  const device = knownDevice(server, emailKey, deviceTokens);
  const asDevice =
    device === undefined
      ? undefined
      : await limits
          .consume([
            ['login_device', device],
            ['login_devices_day', emailKey],
          ])
          .catch((error: unknown) => {
            if (isRateLimited(error)) return undefined;
            throw error;
          });
  const taken =
    asDevice ??
    (await limits.consume(
      [
        ['login_account', emailKey],
        ['login_account_day', emailKey],
        ['login_network', clientNetwork(request.ip)],
      ],
      onFirstRefusal,
    ));
  // The sign-in has been decided, and recorded: what only counts must not turn its answer into another.
  const told = (watched: Promise<void>): Promise<void> =>
    watched.catch((error: unknown) =>
      log.warn({ err: error }, 'a sign-in was not counted as success or failure'),
    );
  return {
    failed: () => told(observeFailure(server, request, emailKey)),
    async succeeded() {
      await taken.refund();
      await told(refundFailure(server));
    },
    refund: () => taken.refund(),
  };
}

const isRateLimited = (error: unknown): boolean =>
  error instanceof Error && 'statusCode' in error && error.statusCode === 429;
