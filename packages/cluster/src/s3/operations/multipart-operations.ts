import {
  checksumAlgorithms,
  checksumElement,
  type ChecksumAlgorithm,
} from '../protocol/checksums.ts';
import { writePrecondition } from './conditions.ts';
import { S3Error } from '../protocol/errors.ts';
import { checksumHeaders, readObjectHeaders } from './object-headers.ts';
import {
  abortUpload,
  completeUpload,
  createUpload,
  findUpload,
  listParts,
  listUploads,
  putPart,
  type ListedPart,
  type Upload,
} from '../store/multipart-store.ts';
import { findBucket } from '../store/object-store.ts';
import { readNumber, urlEncoded } from './list-operations.ts';
import { readXmlBody } from './xml-body.ts';
import type { Answer, S3Request } from './request.ts';
import { document, element, parent, parseItems } from '../protocol/xml.ts';

const maxPartNumber = 10_000;

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
  if (number < 1 || number > maxPartNumber)
    throw new S3Error(
      'InvalidArgument',
      'Part number must be an integer between 1 and 10000, inclusive',
      { ArgumentName: 'partNumber' },
    );
  const bucket = findBucket(request.store, request.bucket);
  const upload = await findUpload(bucket, request.key, request.query.get('uploadId') ?? '');
  const part = await putPart(bucket, upload, number, request.payload(upload.checksum?.algorithm));
  const { 'x-amz-checksum-type': _, ...checksum } = checksumHeaders(part.checksum);
  return { headers: { etag: `"${part.etag}"`, ...checksum } };
}

export async function completeUploadOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const precondition = writePrecondition(request.header);
  const { items } = parseItems(await readXmlBody(request), 'CompleteMultipartUpload', 'Part');
  const listed = items.map((item): ListedPart => {
    const number = Number(item['PartNumber']);
    if (
      !Number.isInteger(number) ||
      number < 1 ||
      number > maxPartNumber ||
      item['ETag'] === undefined
    )
      throw new S3Error('MalformedXML');
    const checksums = new Map<ChecksumAlgorithm, string>();
    for (const algorithm of checksumAlgorithms) {
      const value = item[checksumElement(algorithm)];
      if (value !== undefined) checksums.set(algorithm, value.trim());
    }
    return { number, etag: item['ETag'].trim().replaceAll('"', ''), checksums };
  });
  if (listed.length > maxPartNumber) throw new S3Error('MalformedXML');
  const record = await completeUpload(
    bucket,
    request.key,
    request.query.get('uploadId') ?? '',
    listed,
    precondition,
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
  const upload = await findUpload(bucket, request.key, request.query.get('uploadId') ?? '');
  await abortUpload(bucket, upload.id);
  return { status: 204 };
}

export async function listPartsOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const upload = await findUpload(bucket, request.key, request.query.get('uploadId') ?? '');
  const [limit, marker] = [
    Math.min(1000, readNumber(request, 'max-parts', 1000)),
    readNumber(request, 'part-number-marker', 0),
  ];
  const rest = (await listParts(bucket, upload)).filter((part) => part.number > marker);
  const page = rest.slice(0, limit);
  const truncated = limit > 0 && rest.length > limit;
  const parts = page.map((part) =>
    parent(
      'Part',
      element('PartNumber', part.number) +
        element('LastModified', new Date(part.lastModified).toISOString()) +
        element('ETag', `"${part.etag}"`) +
        element('Size', part.size) +
        (part.checksum
          ? element(checksumElement(part.checksum.algorithm), part.checksum.value)
          : ''),
    ),
  );
  return {
    xml: document(
      'ListPartsResult',
      element('Bucket', bucket.name) +
        element('Key', upload.key) +
        element('UploadId', upload.id) +
        element('PartNumberMarker', marker) +
        element('NextPartNumberMarker', truncated ? page.at(-1)?.number : undefined) +
        element('MaxParts', limit) +
        element('IsTruncated', truncated) +
        element('StorageClass', 'STANDARD') +
        (upload.checksum
          ? element('ChecksumAlgorithm', upload.checksum.algorithm.toUpperCase()) +
            element('ChecksumType', upload.checksum.type)
          : '') +
        parts.join(''),
    ),
  };
}

export async function listUploadsOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const prefix = request.query.get('prefix') ?? '';
  const [keyMarker, idMarker] = [
    request.query.get('key-marker') ?? '',
    request.query.get('upload-id-marker') ?? '',
  ];
  if (request.query.get('delimiter'))
    throw new S3Error('NotImplemented', undefined, { ArgumentName: 'delimiter' });
  const limit = Math.min(1000, readNumber(request, 'max-uploads', 1000));
  const all = (await listUploads(bucket)).filter((upload) => upload.key.startsWith(prefix));
  const resume = all.findIndex((upload) => upload.key === keyMarker && upload.id === idMarker);
  const rest =
    resume >= 0
      ? all.slice(resume + 1)
      : all.filter((upload) => Buffer.compare(Buffer.from(upload.key), Buffer.from(keyMarker)) > 0);
  const page = rest.slice(0, limit);
  const truncated = limit > 0 && rest.length > limit;
  const last: Upload | undefined = truncated ? page.at(-1) : undefined;
  const encode = urlEncoded(request);
  const uploads = page.map((upload) =>
    parent(
      'Upload',
      element('Key', encode(upload.key)) +
        element('UploadId', upload.id) +
        element('StorageClass', 'STANDARD') +
        element('Initiated', new Date(upload.initiated).toISOString()),
    ),
  );
  return {
    xml: document(
      'ListMultipartUploadsResult',
      element('Bucket', bucket.name) +
        element('Prefix', encode(prefix)) +
        element('KeyMarker', encode(keyMarker)) +
        element('UploadIdMarker', idMarker) +
        element('NextKeyMarker', last && encode(last.key)) +
        element('NextUploadIdMarker', last?.id) +
        element('EncodingType', request.query.get('encoding-type')) +
        element('MaxUploads', limit) +
        element('IsTruncated', truncated) +
        uploads.join(''),
    ),
  };
}

function uploadChecksum(request: S3Request): Upload['checksum'] {
  const [name, type] = [
    request.header('x-amz-checksum-algorithm')?.toLowerCase(),
    request.header('x-amz-checksum-type'),
  ];
  if (name === undefined) return undefined;
  const algorithm = checksumAlgorithms.find((known) => known === name);
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
