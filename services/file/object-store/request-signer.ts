import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

export interface RequestSignerOptions {
  region: string;
  credentials(): Promise<Credentials>;
  now(): Date;
}

/** What requests of one moment are signed with. */
export interface RequestSigner {
  /** Access key and scope: the credential of signed requests. */
  credential: string;
  /** As `20260130T102030Z`. */
  timestamp: string;
  sessionToken: string | undefined;
  /** @returns the signature of a canonical request */
  sign(canonicalRequest: string): string;
}

/** Asks for the credentials, which may expire, each time. */
export type CreateRequestSigner = () => Promise<RequestSigner>;

export const ALGORITHM = 'AWS4-HMAC-SHA256';

const hmac = (key: KeyObject | string, data: string) => createHmac('sha256', key).update(data);

/** Signs for S3 (AWS Signature Version 4) by a key that is derived once a day. */
export function openRequestSigner({
  region,
  credentials,
  now,
}: RequestSignerOptions): CreateRequestSigner {
  let cached: { id: string; key: KeyObject } | undefined;

  function signingKey(secret: string, day: string): KeyObject {
    const id = `${day}/${secret}`;
    if (cached?.id === id) return cached.key;
    let key = createSecretKey(`AWS4${secret}`, 'utf8');
    // Key objects: with a buffer as its key, an HMAC takes 20 µs in the place of 3.
    for (const data of [day, region, 's3', 'aws4_request'])
      key = createSecretKey(hmac(key, data).digest());
    cached = { id, key };
    return key;
  }

  return async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = await credentials();
    const timestamp = now()
      .toISOString()
      .replaceAll(/[-:]|\.\d{3}/g, '');
    const day = timestamp.slice(0, 8);
    const scope = `${day}/${region}/s3/aws4_request`;
    const key = signingKey(secretAccessKey, day);
    return {
      credential: `${accessKeyId}/${scope}`,
      timestamp,
      sessionToken,
      sign(canonicalRequest) {
        const digest = hash('sha256', canonicalRequest, 'hex');
        return hmac(key, `${ALGORITHM}\n${timestamp}\n${scope}\n${digest}`).digest('hex');
      },
    };
  };
}

/** Encodes a query's value (RFC 3986), as canonical requests demand. */
export const encodeValue = (value: string): string =>
  encodeURIComponent(value).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
