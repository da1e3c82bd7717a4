import { issueDeviceToken, verifyDeviceToken } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';

type LimitsContext = Pick<UserContext, 'limits'>;

const secretOf = ({ limits }: LimitsContext): Buffer => limits.secret('device-tokens');

/** A token that later marks this device as known to the account. */
export const createDeviceToken = (context: LimitsContext, emailKey: string): string =>
  issueDeviceToken(secretOf(context), emailKey);

/** The device tokens of a request's body and cookies, not yet verified. */
export const listDeviceTokens = (
  { auth }: Pick<UserContext, 'auth'>,
  request: RequestContext,
  { device_token: token }: { device_token?: string },
): string[] => [...(token === undefined ? [] : [token]), ...auth.cookies.deviceTokens(request)];

/** The id of the first device that the account knows. */
export function findKnownDevice(
  context: LimitsContext,
  emailKey: string,
  deviceTokens: readonly string[],
): string | undefined {
  const secret = secretOf(context);
  return deviceTokens
    .map((token) => verifyDeviceToken(secret, emailKey, token))
    .find((nonce) => nonce !== undefined);
}
