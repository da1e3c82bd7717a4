import {
  CHECKSUM_ALGORITHMS,
  checksumElement,
  type ChecksumAlgorithm,
} from '../protocol/checksums.ts';
import { writePrecondition } from './conditions.ts';
import { S3Error } from '../protocol/errors.ts';
import { checksumHeaders, readObjectHeaders } from './object-headers.ts';
import { createUpload, deleteUpload, findUpload, putPart } from '../store/multipart-store.ts';
import type { Upload } from '../store/upload-journal.ts';
import { findBucket } from '../store/bucket-store.ts';
import { completeUpload, type ListedPart } from '../store/complete-upload.ts';
import { readNumber } from './query.ts';
import { readXmlBody } from './xml-body.ts';
import type { Answer, S3Request } from './request.ts';
import { document, element, parseItems } from '../protocol/xml.ts';

const MAX_PART_NUMBER = 10_000;

export async function createUploadOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const checksum = uploadChecksum(request);
  const upload = await createUpload(bucket, {
    key: request.key,
    headers: readObjectHeaders(request),
    checksum,
  });
  return {
    headers: checksum
      ? {
          'x-amz-checksum-algorithm': checksum.algorithm.toUpperCase(),
          'x-amz-checksum-type': checksum.type,
        }
      : {},
    xml: document(
      'InitiateMultipartUploadResult',
      element('Bucket', bucket.name) + element('Key', upload.key) + element('UploadId', upload.id),
    ),
  };
}

export async function uploadPartOperation(request: S3Request): Promise<Answer> {
  const number = readNumber(request, 'partNumber', 0);
  if (number < 1 || number > MAX_PART_NUMBER)
    throw new S3Error(
      'InvalidArgument',
      'Part number must be an integer between 1 and 10000, inclusive',
      { ArgumentName: 'partNumber' },
    );
  const bucket = findBucket(request.store, request.bucket);
  const upload = findUpload(bucket, request.key, request.query.get('uploadId') ?? '');
  const part = await putPart(bucket, upload, {
    number,
    payload: request.payload(upload.checksum?.algorithm),
  });
  const { 'x-amz-checksum-type': _, ...checksum } = checksumHeaders(part.checksum);
  return { headers: { etag: `"${part.etag}"`, ...checksum } };
}

export async function completeUploadOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const precondition = writePrecondition(request.header);
  const { items } = parseItems(await readXmlBody(request), 'CompleteMultipartUpload', 'Part');
  const listed = items.map(parseListedPart);
  if (listed.length > MAX_PART_NUMBER) throw new S3Error('MalformedXML');
  const record = await completeUpload(
    bucket,
    { key: request.key, uploadId: request.query.get('uploadId') ?? '' },
    { listed, precondition },
  );
  const checksum = record.checksum
    ? element(checksumElement(record.checksum.algorithm), record.checksum.value) +
      element('ChecksumType', record.checksum.type)
    : '';
  return {
    xml: document(
      'CompleteMultipartUploadResult',
      element('Location', `http://${request.header('host') ?? ''}${encodeURI(request.path)}`) +
        element('Bucket', bucket.name) +
        element('Key', request.key) +
        element('ETag', `"${record.etag}"`) +
        checksum,
    ),
  };
}

export async function abortUploadOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const upload = findUpload(bucket, request.key, request.query.get('uploadId') ?? '');
  await deleteUpload(bucket, upload.id);
  return { status: 204 };
}

function parseListedPart(item: Record<string, string>): ListedPart {
  const number = Number(item['PartNumber']);
  const etag = item['ETag'];
  const isPartNumber = Number.isInteger(number) && number >= 1 && number <= MAX_PART_NUMBER;
  if (!isPartNumber || etag === undefined) throw new S3Error('MalformedXML');
  const checksums = new Map<ChecksumAlgorithm, string>();
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = item[checksumElement(algorithm)];
    if (value !== undefined) checksums.set(algorithm, value.trim());
  }
  return { number, etag: etag.trim().replaceAll('"', ''), checksums };
}

/** The checksum that x-amz-checksum-algorithm and -type ask for. */
function uploadChecksum(request: S3Request): Upload['checksum'] {
  const [name, type] = [
    request.header('x-amz-checksum-algorithm')?.toLowerCase(),
    request.header('x-amz-checksum-type'),
  ];
  if (name === undefined) return undefined;
  const algorithm = CHECKSUM_ALGORITHMS.find((known) => known === name);
  if (!algorithm)
    throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  const fullOnly = algorithm === 'crc64nvme';
  if (type !== undefined && type !== 'FULL_OBJECT' && type !== 'COMPOSITE')
    throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.');
  if (
    (fullOnly && type === 'COMPOSITE') ||
    (algorithm.startsWith('sha') && type === 'FULL_OBJECT')
  ) {
    throw new S3Error(
      'InvalidRequest',
      `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    );
  }
  return { algorithm, type: type ?? (fullOnly ? 'FULL_OBJECT' : 'COMPOSITE') };
}
