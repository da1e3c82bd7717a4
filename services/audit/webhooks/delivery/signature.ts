import { createHmac, randomBytes } from 'node:crypto';

/** Standard Webhooks 1.0.0, «Signature scheme»: 24 to 64 random bytes. */
const SECRET_BYTES = 32;

export const createSecret = (): Buffer => randomBytes(SECRET_BYTES);

/** The secret in the form that receivers' libraries take. */
export const secretText = (secret: Buffer): string => `whsec_${secret.toString('base64')}`;

export interface Signed {
  id: string;
  /** Seconds since 1970, of this attempt. */
  timestamp: number;
  body: string;
}

/** Makes a delivery's headers (Standard Webhooks 1.0.0). During a rotation both secrets sign. */
export function signedHeaders(
  { id, timestamp, body }: Signed,
  secrets: readonly Buffer[],
): Record<string, string> {
  const signatures = secrets.map(
    (secret) =>
      `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  };
}
