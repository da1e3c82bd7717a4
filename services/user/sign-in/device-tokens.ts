import { issueDeviceToken, verifyDeviceToken, type Device } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import type { User } from '../tables.ts';

type LimitsContext = Pick<UserContext, 'limits'>;
type DeviceUser = Pick<User, 'id' | 'password_epoch'>;

const secretOf = ({ limits }: LimitsContext): Buffer => limits.secret('device-tokens');

/** A token that marks this device as known to the account, until it has a new password. */
export const createDeviceToken = (context: LimitsContext, user: DeviceUser): string =>
  issueDeviceToken(secretOf(context), { userId: user.id, passwordEpoch: user.password_epoch });

/** The devices whose genuine tokens a request has in its body and cookies. */
export function readDevices(
  context: LimitsContext & Pick<UserContext, 'auth'>,
  request: RequestContext,
  token: string | undefined,
): Device[] {
  const inBody = token === undefined ? [] : [token];
  const texts = [...inBody, ...context.auth.cookies.deviceTokens(request)];
  if (texts.length === 0) return [];
  const secret = secretOf(context);
  return texts
    .map((text) => verifyDeviceToken(secret, text))
    .filter((device) => device !== undefined);
}

/** The id of the first device that the account knows by its current password. */
export const findKnownDevice = (
  devices: readonly Device[],
  user: DeviceUser | undefined,
): string | undefined =>
  devices.find(
    ({ userId, passwordEpoch }) => userId === user?.id && passwordEpoch === user.password_epoch,
  )?.id;
