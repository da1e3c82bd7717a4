import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** How long a device stays known after a login, in seconds. */
export const DEVICE_TOKEN_TTL_S = 180 * 86_400;
/** How much the clocks of two replicas may differ. */
const CLOCK_SKEW_S = 60;
const PATTERN = /^mdv1\.[0-9]{10}\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}$/;

const sign = (secret: Buffer, account: string, issuedAndNonce: string): Buffer =>
  createHmac('sha256', secret).update(`device\0${issuedAndNonce}\0${account}`).digest();

/**
 * Issues a proof that an account has logged in on this device (OWASP, "Device Cookies").
 * It admits nobody; it gives the device an attempt limit that attackers cannot use up.
 */
export function issueDeviceToken(secret: Buffer, account: string): string {
  const head = `${Math.floor(Date.now() / 1_000)}.${randomBytes(16).toString('base64url')}`;
  return `mdv1.${head}.${sign(secret, account, head).toString('base64url')}`;
}

/** The nonce of the device; undefined when forged, expired or another account's. */
export function verifyDeviceToken(
  secret: Buffer,
  account: string,
  token: string,
): string | undefined {
  if (!PATTERN.test(token)) return undefined;
  const [, issued = '', nonce = '', signature = ''] = token.split('.');
  const ageSeconds = Date.now() / 1_000 - Number(issued);
  const isGenuine = timingSafeEqual(
    sign(secret, account, `${issued}.${nonce}`),
    Buffer.from(signature, 'base64url'),
  );
  const isCurrent = ageSeconds > -CLOCK_SKEW_S && ageSeconds < DEVICE_TOKEN_TTL_S;
  return isGenuine && isCurrent ? nonce : undefined;
}
