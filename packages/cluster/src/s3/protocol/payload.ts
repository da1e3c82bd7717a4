import { createHash } from 'node:crypto';
import {
  checksumAlgorithms,
  checksumLength,
  createChecksum,
  type ChecksumAlgorithm,
} from './checksums.ts';
import { decodeChunks } from './chunked-body.ts';
import { S3Error } from './errors.ts';
import type { Authorization } from './signature.ts';

/** S3's limit for one PutObject or UploadPart. */
const maxBytes = 5 * 1024 ** 3;

export type ObjectChecksum = {
  algorithm: ChecksumAlgorithm;
  value: string;
  type: 'FULL_OBJECT' | 'COMPOSITE';
};

/** A body on its way in. `chunks` throws at its end when any promise about the body did not hold; `result` is for after it. */
export type Payload = {
  chunks: AsyncIterable<Buffer>;
  result(): { size: number; md5: string; checksum: ObjectChecksum | undefined };
};

type Header = (name: string) => string | undefined;

/**
 * The body with everything checked that the request says about it: its length, x-amz-content-sha256 in all forms,
 * Content-MD5, and one x-amz-checksum-* in a header or a trailer. `fallback` is computed (not checked) when the
 * request names no checksum.
 */
export function receivePayload(
  source: AsyncIterable<Buffer>,
  header: Header,
  authorization: Authorization,
  fallback?: ChecksumAlgorithm,
): Payload {
  const form = payloadForm(authorization.payload);
  const expectedSize = declaredSize(header, form.chunked);
  const contentMd5 = header('content-md5');
  if (contentMd5 !== undefined && Buffer.from(contentMd5, 'base64').length !== 16)
    throw new S3Error('InvalidDigest');

  const trailerName = header('x-amz-trailer')?.trim().toLowerCase();
  if (form.trailing !== (trailerName !== undefined)) throw new S3Error('MalformedTrailerError');
  const given = givenChecksum(header, trailerName);
  const algorithm = given?.algorithm ?? fallback;
  const checksum = algorithm && createChecksum(algorithm);
  let expected = given?.value;

  const decoded = form.chunked
    ? decodeChunks(source, {
        signing: form.signed ? authorization : undefined,
        trailing: form.trailing,
        onTrailer: (name, value) => {
          if (name !== trailerName || !given) throw new S3Error('MalformedTrailerError');
          expected = checkShape(given.algorithm, value);
        },
      })
    : source;
  const md5 = createHash('md5');
  const sha256 = form.sha256 === undefined ? undefined : createHash('sha256');
  let size = 0;
  let digests = { md5: Buffer.alloc(0), checksum: undefined as Buffer | undefined };

  async function* verified(): AsyncGenerator<Buffer> {
    for await (const chunk of decoded) {
      size += chunk.length;
      if (size > expectedSize)
        throw new S3Error('IncompleteBody', 'The body is longer than it was declared to be.');
      md5.update(chunk);
      sha256?.update(chunk);
      checksum?.update(chunk);
      yield chunk;
    }
    if (size !== expectedSize) throw new S3Error('IncompleteBody');
    digests = { md5: md5.digest(), checksum: checksum?.digest() };
    if (sha256 && sha256.digest('hex') !== form.sha256)
      throw new S3Error('XAmzContentSHA256Mismatch');
    if (contentMd5 !== undefined && !digests.md5.equals(Buffer.from(contentMd5, 'base64')))
      throw new S3Error(
        'BadDigest',
        'The Content-MD5 you specified did not match what we received.',
      );
    if (form.trailing && expected === undefined)
      throw new S3Error('MalformedTrailerError', `The trailing header ${trailerName} is missing.`);
    if (expected !== undefined && digests.checksum?.toString('base64') !== expected) {
      throw new S3Error(
        'BadDigest',
        `The ${algorithm?.toUpperCase()} you specified did not match the calculated checksum.`,
      );
    }
  }

  return {
    chunks: verified(),
    result: () => ({
      size,
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

function payloadForm(payload: string): {
  chunked: boolean;
  signed: boolean;
  trailing: boolean;
  sha256: string | undefined;
} {
  if (payload === 'UNSIGNED-PAYLOAD')
    return { chunked: false, signed: false, trailing: false, sha256: undefined };
  if (/^[0-9a-f]{64}$/.test(payload))
    return { chunked: false, signed: false, trailing: false, sha256: payload };
  if (payload === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER')
    return { chunked: true, signed: false, trailing: true, sha256: undefined };
  if (payload === 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD')
    return { chunked: true, signed: true, trailing: false, sha256: undefined };
  if (payload === 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER')
    return { chunked: true, signed: true, trailing: true, sha256: undefined };
  if (payload.startsWith('STREAMING-')) throw new S3Error('NotImplemented');
  throw new S3Error(
    'InvalidArgument',
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, one of the STREAMING- forms, or a valid sha256 value.',
  );
}

function declaredSize(header: Header, chunked: boolean): number {
  const text = header(chunked ? 'x-amz-decoded-content-length' : 'content-length');
  if (text === undefined) {
    if (!chunked && header('transfer-encoding') !== undefined)
      throw new S3Error('NotImplemented', undefined, { Header: 'Transfer-Encoding' });
    throw new S3Error('MissingContentLength');
  }
  if (!/^\d{1,15}$/.test(text))
    throw new S3Error('InvalidArgument', 'The declared length of the body is not a number.');
  if (Number(text) > maxBytes)
    throw new S3Error('EntityTooLarge', undefined, {
      ProposedSize: text,
      MaxSizeAllowed: String(maxBytes),
    });
  return Number(text);
}

function givenChecksum(
  header: Header,
  trailerName: string | undefined,
): { algorithm: ChecksumAlgorithm; value: string | undefined } | undefined {
  const named = checksumAlgorithms.filter(
    (algorithm) =>
      header(`x-amz-checksum-${algorithm}`) !== undefined ||
      trailerName === `x-amz-checksum-${algorithm}`,
  );
  const [algorithm] = named;
  if (named.length > 1)
    throw new S3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  if (algorithm === undefined) {
    if (trailerName !== undefined)
      throw new S3Error(
        'InvalidRequest',
        `The value specified in the x-amz-trailer header is not supported: ${trailerName}`,
      );
    return undefined;
  }
  const value = header(`x-amz-checksum-${algorithm}`);
  return { algorithm, value: value === undefined ? undefined : checkShape(algorithm, value) };
}

function checkShape(algorithm: ChecksumAlgorithm, value: string): string {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length === checksumLength[algorithm] && bytes.toString('base64') === value)
    return value;
  throw new S3Error('InvalidRequest', `Value for x-amz-checksum-${algorithm} header is invalid.`);
}
