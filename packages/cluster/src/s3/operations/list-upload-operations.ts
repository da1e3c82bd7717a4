import { checksumElement } from '../protocol/checksums.ts';
import { S3Error } from '../protocol/errors.ts';
import { document, element, parent } from '../protocol/xml.ts';
import { findBucket } from '../store/bucket-store.ts';
import { findUpload, listParts, listUploads } from '../store/multipart-store.ts';
import type { Part, Upload } from '../store/upload-journal.ts';
import { nameEncoding, readNumber } from './query.ts';
import type { Answer, S3Request } from './request.ts';

const MAX_ITEMS = 1000;

export async function listPartsOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const upload = findUpload(bucket, request.key, request.query.get('uploadId') ?? '');
  const [limit, marker] = [
    Math.min(MAX_ITEMS, readNumber(request, 'max-parts', MAX_ITEMS)),
    readNumber(request, 'part-number-marker', 0),
  ];
  const rest = listParts(upload).filter((part) => part.number > marker);
  const page = rest.slice(0, limit);
  const truncated = limit > 0 && rest.length > limit;
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
        page.map(renderPart).join(''),
    ),
  };
}

export async function listUploadsOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const prefix = request.query.get('prefix') ?? '';
  const marker = {
    key: request.query.get('key-marker') ?? '',
    id: request.query.get('upload-id-marker') ?? '',
  };
  if (request.query.get('delimiter'))
    throw new S3Error('NotImplemented', undefined, { ArgumentName: 'delimiter' });
  const limit = Math.min(MAX_ITEMS, readNumber(request, 'max-uploads', MAX_ITEMS));
  const matching = listUploads(bucket).filter((upload) => upload.key.startsWith(prefix));
  const rest = uploadsAfter(matching, marker);
  const page = rest.slice(0, limit);
  const truncated = limit > 0 && rest.length > limit;
  const last: Upload | undefined = truncated ? page.at(-1) : undefined;
  const encode = nameEncoding(request);
  return {
    xml: document(
      'ListMultipartUploadsResult',
      element('Bucket', bucket.name) +
        element('Prefix', encode(prefix)) +
        element('KeyMarker', encode(marker.key)) +
        element('UploadIdMarker', marker.id) +
        element('NextKeyMarker', last && encode(last.key)) +
        element('NextUploadIdMarker', last?.id) +
        element('EncodingType', request.query.get('encoding-type')) +
        element('MaxUploads', limit) +
        element('IsTruncated', truncated) +
        page.map((upload) => renderUpload(upload, encode)).join(''),
    ),
  };
}

/** The uploads after the marker, or after its key when its upload is gone. */
function uploadsAfter(uploads: Upload[], marker: { key: string; id: string }): Upload[] {
  const position = uploads.findIndex(({ key, id }) => key === marker.key && id === marker.id);
  if (position >= 0) return uploads.slice(position + 1);
  return uploads.filter(({ key }) => Buffer.compare(Buffer.from(key), Buffer.from(marker.key)) > 0);
}

function renderPart(part: Part): string {
  return parent(
    'Part',
    element('PartNumber', part.number) +
      element('LastModified', new Date(part.lastModified).toISOString()) +
      element('ETag', `"${part.etag}"`) +
      element('Size', part.size) +
      (part.checksum ? element(checksumElement(part.checksum.algorithm), part.checksum.value) : ''),
  );
}

function renderUpload(upload: Upload, encode: (name: string) => string): string {
  return parent(
    'Upload',
    element('Key', encode(upload.key)) +
      element('UploadId', upload.id) +
      element('StorageClass', 'STANDARD') +
      element('Initiated', new Date(upload.initiated).toISOString()),
  );
}
