import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** How long a device stays known after a sign-in, in seconds. */
export const DEVICE_TOKEN_TTL_S = 180 * 86_400;

const form = /^mdv1\.[0-9]{10}\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}$/;

const signature = (secret: Buffer, account: string, issuedAndNonce: string) =>
  createHmac('sha256', secret).update(`device\0${issuedAndNonce}\0${account}`).digest();

/**
 * Says that somebody has signed in to an account on this device (OWASP, «Slow Down Online Guessing Attacks with Device Cookies»): time, nonce, and an HMAC over
 * both and the account. It lets nobody in; it gives its holder tries of their own, which strangers cannot use up.
 * @param account what tries are counted by, whether or not there is such an account
 */
export const issueDeviceToken = (secret: Buffer, account: string): string => {
  const head = `${Math.floor(Date.now() / 1_000)}.${randomBytes(16).toString('base64url')}`;
  return `mdv1.${head}.${signature(secret, account, head).toString('base64url')}`;
};

/** The token's nonce, which names the device; undefined for one that is forged, too old, or another account's. */
export const verifyDeviceToken = (
  secret: Buffer,
  account: string,
  token: string,
): string | undefined => {
  if (!form.test(token)) return undefined;
  const [, issued = '', nonce = '', given = ''] = token.split('.');
  const age = Date.now() / 1_000 - Number(issued);
  const same = timingSafeEqual(
    signature(secret, account, `${issued}.${nonce}`),
    Buffer.from(given, 'base64url'),
  );
  // A minute for clocks of replicas that differ.
  return same && age > -60 && age < DEVICE_TOKEN_TTL_S ? nonce : undefined;
};
