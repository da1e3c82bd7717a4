import { CHECKSUM_ALGORITHMS, CHECKSUM_BYTES, type ChecksumAlgorithm } from './checksums.ts';
import { S3Error } from './errors.ts';

/** S3's limit for one PutObject or UploadPart. */
const MAX_BYTES = 5 * 1024 ** 3;

export type Header = (name: string) => string | undefined;

interface PayloadForm {
  chunked: boolean;
  signed: boolean;
  trailing: boolean;
  /** Hex, for a body whose whole hash is signed. */
  sha256?: string;
}

/** What the request claims about its body. */
export interface PayloadClaims {
  form: PayloadForm;
  size: number;
  contentMd5: string | undefined;
  trailerName: string | undefined;
  checksum: { algorithm: ChecksumAlgorithm; value: string | undefined } | undefined;
}

/** Reads what a request claims about its body. `payload` is the value of x-amz-content-sha256. */
export function readClaims(header: Header, payload: string): PayloadClaims {
  const form = payloadForm(payload);
  const size = declaredSize(header, form.chunked);
  const contentMd5 = header('content-md5');
  if (contentMd5 !== undefined && Buffer.from(contentMd5, 'base64').length !== 16)
    throw new S3Error('InvalidDigest');
  const trailerName = header('x-amz-trailer')?.trim().toLowerCase();
  if (form.trailing !== (trailerName !== undefined)) throw new S3Error('MalformedTrailerError');
  return { form, size, contentMd5, trailerName, checksum: claimedChecksum(header, trailerName) };
}

/** The form that x-amz-content-sha256 names. */
function payloadForm(payload: string): PayloadForm {
  if (payload === 'UNSIGNED-PAYLOAD') return { chunked: false, signed: false, trailing: false };
  if (/^[0-9a-f]{64}$/.test(payload))
    return { chunked: false, signed: false, trailing: false, sha256: payload };
  if (payload === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER')
    return { chunked: true, signed: false, trailing: true };
  if (payload === 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD')
    return { chunked: true, signed: true, trailing: false };
  if (payload === 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER')
    return { chunked: true, signed: true, trailing: true };
  if (payload.startsWith('STREAMING-')) throw new S3Error('NotImplemented');
  throw new S3Error(
    'InvalidArgument',
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, one of the STREAMING- forms, ' +
      'or a valid sha256 value.',
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
  if (Number(text) > MAX_BYTES)
    throw new S3Error('EntityTooLarge', undefined, {
      ProposedSize: text,
      MaxSizeAllowed: String(MAX_BYTES),
    });
  return Number(text);
}

/** The one checksum of the request; its value is undefined while it stands in the trailer. */
function claimedChecksum(
  header: Header,
  trailerName: string | undefined,
): PayloadClaims['checksum'] {
  const named = CHECKSUM_ALGORITHMS.filter(
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
    if (trailerName === undefined) return undefined;
    throw new S3Error(
      'InvalidRequest',
      `The value specified in the x-amz-trailer header is not supported: ${trailerName}`,
    );
  }
  const value = header(`x-amz-checksum-${algorithm}`);
  return { algorithm, value: value === undefined ? undefined : checkShape(algorithm, value) };
}

/** Returns a checksum that is the canonical base64 of the algorithm's length. */
export function checkShape(algorithm: ChecksumAlgorithm, value: string): string {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length === CHECKSUM_BYTES[algorithm] && bytes.toString('base64') === value)
    return value;
  throw new S3Error('InvalidRequest', `Value for x-amz-checksum-${algorithm} header is invalid.`);
}
