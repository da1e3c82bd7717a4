import { createHash, type Hash } from 'node:crypto';
import {
  createChecksum,
  type Checksum,
  type ChecksumAlgorithm,
  type ObjectChecksum,
} from './checksums.ts';
import { decodeChunks } from './chunked-body.ts';
import { S3Error } from './errors.ts';
import { checkShape, readClaims, type Header, type PayloadClaims } from './payload-claims.ts';
import type { Authorization } from './signature.ts';

/** A request body. `chunks` throws at its end when a check fails; call `result` after that. */
export interface Payload {
  /** Bytes as declared. `chunks` never gives more. */
  size: number;
  chunks: AsyncIterable<Buffer>;
  result(): { size: number; md5: string; checksum: ObjectChecksum | undefined };
}

interface Digests {
  size: number;
  md5: Buffer;
  sha256: string | undefined;
  checksum: Buffer | undefined;
}

/**
 * Receives a body and checks its length, x-amz-content-sha256, Content-MD5 and x-amz-checksum-*.
 * `fallback` is computed, not checked, when the request names no checksum.
 */
export function receivePayload(
  source: AsyncIterable<Buffer>,
  header: Header,
  authorization: Authorization,
  fallback?: ChecksumAlgorithm,
): Payload {
  const claims = readClaims(header, authorization.payload);
  const algorithm = claims.checksum?.algorithm ?? fallback;
  const decoded = claims.form.chunked ? decodeBody(source, claims, authorization) : source;
  let digests: Digests = { size: 0, md5: Buffer.alloc(0), sha256: undefined, checksum: undefined };

  async function* verified(): AsyncGenerator<Buffer> {
    digests = yield* digestBody(decoded, claims, algorithm && createChecksum(algorithm));
    checkDigests(claims, digests);
  }

  return {
    size: claims.size,
    chunks: verified(),
    result: () => ({
      size: digests.size,
      md5: digests.md5.toString('hex'),
      checksum: algorithm &&
        digests.checksum && {
          algorithm,
          value: digests.checksum.toString('base64'),
          type: 'FULL_OBJECT',
        },
    }),
  };
}

/** Decodes aws-chunked. A checksum in the trailer completes the claims. */
function decodeBody(
  source: AsyncIterable<Buffer>,
  claims: PayloadClaims,
  authorization: Authorization,
): AsyncIterable<Buffer> {
  const { form, trailerName, checksum } = claims;
  return decodeChunks(source, {
    signing: form.signed ? authorization : undefined,
    trailing: form.trailing,
    onTrailer: (name, value) => {
      if (name !== trailerName || !checksum) throw new S3Error('MalformedTrailerError');
      checksum.value = checkShape(checksum.algorithm, value);
    },
  });
}

async function* digestBody(
  body: AsyncIterable<Buffer>,
  claims: PayloadClaims,
  checksum: Checksum | undefined,
): AsyncGenerator<Buffer, Digests> {
  const md5 = createHash('md5');
  const sha256: Hash | undefined = claims.form.sha256 ? createHash('sha256') : undefined;
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > claims.size)
      throw new S3Error('IncompleteBody', 'The body is longer than it was declared to be.');
    md5.update(chunk);
    sha256?.update(chunk);
    checksum?.update(chunk);
    yield chunk;
  }
  if (size !== claims.size) throw new S3Error('IncompleteBody');
  return { size, md5: md5.digest(), sha256: sha256?.digest('hex'), checksum: checksum?.digest() };
}

function checkDigests(
  { form, contentMd5, trailerName, checksum }: PayloadClaims,
  digests: Digests,
): void {
  if (form.sha256 !== undefined && digests.sha256 !== form.sha256)
    throw new S3Error('XAmzContentSHA256Mismatch');
  if (contentMd5 !== undefined && !digests.md5.equals(Buffer.from(contentMd5, 'base64')))
    throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.');
  if (form.trailing && checksum?.value === undefined)
    throw new S3Error('MalformedTrailerError', `The trailing header ${trailerName} is missing.`);
  if (checksum?.value !== undefined && digests.checksum?.toString('base64') !== checksum.value) {
    throw new S3Error(
      'BadDigest',
      `The ${checksum.algorithm.toUpperCase()} you specified did not match ` +
        'the calculated checksum.',
    );
  }
}
