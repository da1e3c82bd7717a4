import { setImmediate } from 'node:timers/promises';
import { S3Error } from '../protocol/errors.ts';
import { listKeys, type ListPage } from '../store/list-keys.ts';
import { findBucket, type Bucket } from '../store/bucket-store.ts';
import { readObjectRecord } from '../store/object-store.ts';
import { nameEncoding, readNumber } from './query.ts';
import type { Answer, S3Request } from './request.ts';
import { document, element, parent } from '../protocol/xml.ts';

const MAX_KEYS = 1000;
// Records read before other requests have their turn.
const BATCH_SIZE = 32;

export async function listObjectsV2Operation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const token = request.query.get('continuation-token');
  const startAfter = request.query.get('start-after');
  const limit = Math.min(MAX_KEYS, readNumber(request, 'max-keys', MAX_KEYS));
  const after = token === undefined ? (startAfter ?? '') : readToken(token);
  const page = listKeys(bucket.keys, {
    prefix: request.query.get('prefix') ?? '',
    delimiter: request.query.get('delimiter') ?? '',
    after,
    limit,
  });
  const { contents, count } = await renderContents(request, bucket, page);
  const encode = nameEncoding(request);
  return {
    xml: document(
      'ListBucketResult',
      common(request, bucket, limit, page) +
        element('KeyCount', count) +
        element('ContinuationToken', token) +
        element(
          'NextContinuationToken',
          page.next && Buffer.from(page.next).toString('base64url'),
        ) +
        element('StartAfter', startAfter && encode(startAfter)) +
        contents,
    ),
  };
}

/** The first version of the listing, which many tools still use. */
export async function listObjectsOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const marker = request.query.get('marker') ?? '';
  const limit = Math.min(MAX_KEYS, readNumber(request, 'max-keys', MAX_KEYS));
  const page = listKeys(bucket.keys, {
    prefix: request.query.get('prefix') ?? '',
    delimiter: request.query.get('delimiter') ?? '',
    after: marker,
    limit,
  });
  const { contents } = await renderContents(request, bucket, page);
  const encode = nameEncoding(request);
  return {
    xml: document(
      'ListBucketResult',
      common(request, bucket, limit, page) +
        element('Marker', encode(marker)) +
        element('NextMarker', page.next && encode(page.next)) +
        contents,
    ),
  };
}

function common(request: S3Request, bucket: Bucket, limit: number, page: ListPage): string {
  const encode = nameEncoding(request);
  const delimiter = request.query.get('delimiter');
  return (
    element('Name', bucket.name) +
    element('Prefix', encode(request.query.get('prefix') ?? '')) +
    element('Delimiter', delimiter && encode(delimiter)) +
    element('EncodingType', request.query.get('encoding-type')) +
    element('MaxKeys', limit) +
    element('IsTruncated', page.next !== undefined)
  );
}

async function renderContents(
  request: S3Request,
  bucket: Bucket,
  page: ListPage,
): Promise<{ contents: string; count: number }> {
  const encode = nameEncoding(request);
  const rendered: string[] = [];
  for (const [i, key] of page.keys.entries()) {
    if (i % BATCH_SIZE === BATCH_SIZE - 1) await setImmediate();
    const record = readObjectRecord(bucket, key);
    // Deleted since the page was made.
    if (!record) continue;
    rendered.push(
      parent(
        'Contents',
        element('Key', encode(record.key)) +
          element('LastModified', new Date(record.lastModified).toISOString()) +
          element('ETag', `"${record.etag}"`) +
          element('Size', record.size) +
          element('StorageClass', 'STANDARD'),
      ),
    );
  }
  const prefixes = page.prefixes.map((prefix) =>
    parent('CommonPrefixes', element('Prefix', encode(prefix))),
  );
  return {
    contents: rendered.join('') + prefixes.join(''),
    count: rendered.length + prefixes.length,
  };
}

function readToken(token: string): string {
  const key = Buffer.from(token, 'base64url').toString();
  if (key === '' || Buffer.from(key).toString('base64url') !== token)
    throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect', {
      ArgumentName: 'continuation-token',
    });
  return key;
}
