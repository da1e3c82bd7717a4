import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** How long a device stays known after a login, in seconds. */
export const DEVICE_TOKEN_TTL_S = 180 * 86_400;
/** How much the clocks of two replicas may differ. */
const CLOCK_SKEW_S = 60;
const PATTERN =
  /^mdv2\.([0-9]{10})\.([A-Za-z0-9_-]{22})\.([0-9a-f-]{36})\.([0-9]{1,10})\.([A-Za-z0-9_-]{43})$/;

/** The account that a device has logged in to, and which of its passwords it was. */
export interface DeviceOwner {
  userId: string;
  /** Moves with each new password, which makes earlier devices unknown. */
  passwordEpoch: number;
}

export interface Device extends DeviceOwner {
  /** Random, so that devices have limits of their own. */
  id: string;
}

const sign = (secret: Buffer, head: string): string =>
  createHmac('sha256', secret).update(`device\0${head}`).digest('base64url');

/**
 * Issues a proof that an account has logged in on this device (OWASP, "Device Cookies").
 * It admits nobody; it gives the device an attempt limit that attackers cannot use up.
 */
export function issueDeviceToken(secret: Buffer, { userId, passwordEpoch }: DeviceOwner): string {
  const issued = Math.floor(Date.now() / 1_000);
  const id = randomBytes(16).toString('base64url');
  const head = `mdv2.${issued}.${id}.${userId}.${passwordEpoch}`;
  return `${head}.${sign(secret, head)}`;
}

/** The device of a genuine token that has not expired. Compare its owner with the account. */
export function verifyDeviceToken(secret: Buffer, token: string): Device | undefined {
  const match = PATTERN.exec(token);
  if (!match) return undefined;
  const [, issued, id = '', userId = '', passwordEpoch, signature = ''] = match;
  const head = token.slice(0, -signature.length - 1);
  // Compared as text: decoded, four spellings of a signature would be equal.
  if (!timingSafeEqual(Buffer.from(sign(secret, head)), Buffer.from(signature))) return undefined;
  const ageSeconds = Date.now() / 1_000 - Number(issued);
  const isCurrent = ageSeconds > -CLOCK_SKEW_S && ageSeconds < DEVICE_TOKEN_TTL_S;
  return isCurrent ? { id, userId, passwordEpoch: Number(passwordEpoch) } : undefined;
}
