import { createHash, type Hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createChecksum, type ChecksumAlgorithm, type ObjectChecksum } from './checksums.ts';
import { decodeChunks } from './chunked-body.ts';
import { S3Error } from './errors.ts';
import { checkShape, readClaims, type Header, type PayloadClaims } from './payload-claims.ts';
import { readBatches } from './read-body.ts';
import type { Authorization } from './signature.ts';

// Chunks for one write to a file. 1 MiB was no faster than 512 KiB.
const BATCH_BYTES = 512 * 1024;

/** A request body. `batches` throws at its end when a check fails; call `result` after that. */
export interface Payload {
  /** Bytes as declared. `batches` never gives more. */
  size: number;
  batches: AsyncIterable<Buffer[]>;
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
  incoming: IncomingMessage,
  header: Header,
  { authorization, fallback }: { authorization: Authorization; fallback?: ChecksumAlgorithm },
): Payload {
  const claims = readClaims(header, authorization.payload);
  const algorithm = claims.checksum?.algorithm ?? fallback;
  // Chunks are checked as they come: they may add up to more than the declared length.
  const decoded = claims.form.chunked
    ? decodeBody(readBatches(incoming, 1), claims, authorization)
    : readBatches(incoming, BATCH_BYTES);
  let digests: Digests = { size: 0, md5: Buffer.alloc(0), sha256: undefined, checksum: undefined };

  async function* verified(): AsyncGenerator<Buffer[]> {
    const digest = createDigest(claims, algorithm);
    for await (const batch of decoded) {
      digest.update(batch);
      yield batch;
    }
    digests = digest.finish();
    checkDigests(claims, digests);
  }

  return {
    size: claims.size,
    batches: verified(),
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
async function* decodeBody(
  source: AsyncIterable<Buffer[]>,
  claims: PayloadClaims,
  authorization: Authorization,
): AsyncGenerator<Buffer[]> {
  const { form, trailerName, checksum } = claims;
  const decoded = decodeChunks(flatten(source), {
    signing: form.signed ? authorization : undefined,
    trailing: form.trailing,
    onTrailer: (name, value) => {
      if (name !== trailerName || !checksum) throw new S3Error('MalformedTrailerError');
      checksum.value = checkShape(checksum.algorithm, value);
    },
  });
  for await (const chunk of decoded) yield [chunk];
}

async function* flatten(source: AsyncIterable<Buffer[]>): AsyncGenerator<Buffer> {
  for await (const batch of source) yield* batch;
}

/** Hashes each byte once for each algorithm that is claimed, and for the ETag. */
function createDigest(
  claims: PayloadClaims,
  algorithm: ChecksumAlgorithm | undefined,
): { update(batch: Buffer[]): void; finish(): Digests } {
  const md5 = createHash('md5');
  const checksum = algorithm && createChecksum(algorithm);
  // A client that signs the SHA-256 often claims it as the checksum too.
  const shared = algorithm === 'sha256';
  const sha256: Hash | undefined = claims.form.sha256 && !shared ? createHash('sha256') : undefined;
  let size = 0;
  return {
    update: (batch) => {
      for (const chunk of batch) {
        size += chunk.length;
        md5.update(chunk);
        sha256?.update(chunk);
        checksum?.update(chunk);
      }
      if (size > claims.size)
        throw new S3Error('IncompleteBody', 'The body is longer than it was declared to be.');
    },
    finish: () => {
      if (size !== claims.size) throw new S3Error('IncompleteBody');
      const digest = checksum?.digest();
      return {
        size,
        md5: md5.digest(),
        sha256: shared ? digest?.toString('hex') : sha256?.digest('hex'),
        checksum: digest,
      };
    },
  };
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
