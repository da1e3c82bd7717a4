import { createHash, createHmac } from 'node:crypto';

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

export interface PresignerOptions {
  /** Host with port, as S3 will see it in the Host header. */
  host: string;
  region: string;
  bucket: string;
  /** Validity in seconds. */
  ttlSeconds: number;
  credentials(): Promise<Credentials>;
}

/** `/<bucket>/<key>?<query>`: valid for one GET method, any Range, from now on. */
export type Presign = (key: string, versionId: string | null, now?: Date) => Promise<string>;

const ALGORITHM = 'AWS4-HMAC-SHA256';

function hmac(key: Buffer | string, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

function encode(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * Presigns GetObject (AWS Signature Version 4 in the query). Byte for byte what @aws-sdk/s3-request-presigner gives, at a fortieth of its
 * cost: the signing key lives for a day, and what remains is one SHA-256 and one HMAC. Object keys are UUIDs and need no encoding.
 */
export function createPresigner({
  host,
  region,
  bucket,
  ttlSeconds,
  credentials,
}: PresignerOptions): Presign {
  let cached: { id: string; key: Buffer } | undefined;

  function signingKey(secret: string, day: string): Buffer {
    const id = `${day}/${secret}`;
    if (cached?.id !== id)
      cached = {
        id,
        key: hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), 's3'), 'aws4_request'),
      };
    return cached.key;
  }

  return async (key, versionId, now = new Date()) => {
    const { accessKeyId, secretAccessKey, sessionToken } = await credentials();
    const timestamp = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
    const scope = `${timestamp.slice(0, 8)}/${region}/s3/aws4_request`;
    // In the order that the canonical request wants: that of code points.
    const head =
      `X-Amz-Algorithm=${ALGORITHM}&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Credential=${encode(`${accessKeyId}/${scope}`)}` +
      `&X-Amz-Date=${timestamp}&X-Amz-Expires=${ttlSeconds}${sessionToken === undefined ? '' : `&X-Amz-Security-Token=${encode(sessionToken)}`}`;
    const tail = `X-Amz-SignedHeaders=host${versionId === null ? '' : `&versionId=${encode(versionId)}`}&x-id=GetObject`;
    const canonical = `GET\n/${bucket}/${key}\n${head}&${tail}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`;
    const toSign = `${ALGORITHM}\n${timestamp}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
    const signature = hmac(signingKey(secretAccessKey, timestamp.slice(0, 8)), toSign).toString(
      'hex',
    );
    return `/${bucket}/${key}?${head}&X-Amz-Signature=${signature}&${tail}`;
  };
}
