import { S3Error } from '../protocol/errors.ts';
import { listKeys, type ListPage } from '../store/list-keys.ts';
import { findBucket, readObjectRecord, type Bucket } from '../store/object-store.ts';
import type { Answer, S3Request } from './request.ts';
import { uriEncode } from '../protocol/signature.ts';
import { document, element, parent } from '../protocol/xml.ts';

const maxKeys = 1000;

export async function listObjectsV2Operation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const token = request.query.get('continuation-token');
  const startAfter = request.query.get('start-after');
  const limit = Math.min(maxKeys, readNumber(request, 'max-keys', maxKeys));
  const after = token === undefined ? (startAfter ?? '') : readToken(token);
  const page = listKeys(bucket.keys, {
    prefix: request.query.get('prefix') ?? '',
    delimiter: request.query.get('delimiter') ?? '',
    after,
    limit,
  });
  const { contents, count } = await renderContents(request, bucket, page);
  const encode = urlEncoded(request);
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

/** The older form, which many tools still use. */
export async function listObjectsOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const marker = request.query.get('marker') ?? '';
  const limit = Math.min(maxKeys, readNumber(request, 'max-keys', maxKeys));
  const page = listKeys(bucket.keys, {
    prefix: request.query.get('prefix') ?? '',
    delimiter: request.query.get('delimiter') ?? '',
    after: marker,
    limit,
  });
  const { contents } = await renderContents(request, bucket, page);
  const encode = urlEncoded(request);
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

/** A number in the query, with S3's error when it is none. */
export function readNumber(request: S3Request, name: string, fallback: number): number {
  const text = request.query.get(name);
  if (text === undefined || text === '') return fallback;
  if (!/^\d{1,9}$/.test(text))
    throw new S3Error(
      'InvalidArgument',
      `Provided ${name} not an integer or within integer range`,
      { ArgumentName: name, ArgumentValue: text },
    );
  return Number(text);
}

/** How names are written in this listing: as they are, or by `encoding-type=url`. */
export function urlEncoded(request: S3Request): (name: string) => string {
  const type = request.query.get('encoding-type');
  if (type !== undefined && type !== 'url')
    throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      ArgumentName: 'encoding-type',
      ArgumentValue: type,
    });
  return type === undefined
    ? (name) => name
    : (name) => name.split('/').map(uriEncode).join('/').replaceAll('%20', '+');
}

function common(request: S3Request, bucket: Bucket, limit: number, page: ListPage): string {
  const encode = urlEncoded(request);
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
  const encode = urlEncoded(request);
  const rendered: string[] = [];
  const batch = 32;
  for (let i = 0; i < page.keys.length; i += batch) {
    const records = await Promise.all(
      page.keys.slice(i, i + batch).map((key) => readObjectRecord(bucket, key)),
    );
    for (const record of records) {
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
