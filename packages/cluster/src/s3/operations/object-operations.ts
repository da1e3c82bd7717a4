import { isNotModified, parseRange, writePrecondition } from './conditions.ts';
import { S3Error } from '../protocol/errors.ts';
import { checksumHeaders, objectHeaders, readObjectHeaders } from './object-headers.ts';
import { findBucket } from '../store/bucket-store.ts';
import { sliceExtents } from '../store/extent.ts';
import {
  deleteObject,
  extentsOf,
  openObject,
  putObject,
  readObjectRecord,
  type ObjectRecord,
} from '../store/object-store.ts';
import { readExtents } from '../store/read-extents.ts';
import { closeSealed } from '../store/sealed-file.ts';
import type { Answer, S3Request } from './request.ts';
import { document, element } from '../protocol/xml.ts';

export async function putObjectOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const headers = readObjectHeaders(request);
  const precondition = writePrecondition(request.header);
  const payload = request.payload();
  const record = await putObject(bucket, request.key, {
    data: payload.batches,
    size: payload.size,
    seal: () => {
      const { size, md5, checksum } = payload.result();
      return { size, etag: md5, headers, checksum, uploadId: undefined };
    },
    precondition,
  });
  return { headers: { etag: `"${record.etag}"`, ...checksumHeaders(record.checksum) } };
}

export async function getObjectOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  if (request.method === 'HEAD') {
    const record = readObjectRecord(bucket, request.key);
    if (!record) throw new S3Error('NoSuchKey', undefined, { Key: request.key });
    return describeObject(request, record);
  }
  const object = openObject(bucket, request.key);
  const { record } = object;
  try {
    const answer = describeObject(request, record);
    const range = answer.range ?? { start: 0, end: record.size - 1 };
    if (answer.status !== 304 && record.size > 0)
      return { ...answer, file: { object, extents: sliceExtents(extentsOf(record), range) } };
    closeSealed(object);
    return answer;
  } catch (error) {
    closeSealed(object);
    throw error;
  }
}

export async function deleteObjectOperation(request: S3Request): Promise<Answer> {
  const ifMatch = request.header('if-match');
  await deleteObject(
    findBucket(request.store, request.bucket),
    request.key,
    writePrecondition((name) => (name === 'if-match' ? ifMatch : undefined)),
  );
  return { status: 204 };
}

export async function copyObjectOperation(request: S3Request): Promise<Answer> {
  const source = parseCopySource(request.header('x-amz-copy-source') ?? '');
  const target = findBucket(request.store, request.bucket);
  const replace = request.header('x-amz-metadata-directive') === 'REPLACE';
  if (!replace && source.bucket === request.bucket && source.key === request.key) {
    throw new S3Error(
      'InvalidRequest',
      'This copy request is illegal because it is trying to copy an object to itself ' +
        "without changing the object's metadata.",
    );
  }
  const headers = readObjectHeaders(request);
  const object = openObject(findBucket(request.store, source.bucket), source.key);
  const { record } = object;
  try {
    if (isNotModified(request.header, record, 'x-amz-copy-source-'))
      throw new S3Error('PreconditionFailed');
    const copy = await putObject(target, request.key, {
      data: readExtents(object.content, extentsOf(record)),
      size: record.size,
      seal: () => ({
        size: record.size,
        etag: record.etag,
        headers: replace ? headers : record.headers,
        checksum: record.checksum,
        uploadId: undefined,
      }),
      precondition: writePrecondition(request.header),
    });
    return {
      xml: document(
        'CopyObjectResult',
        element('LastModified', new Date(copy.lastModified).toISOString()) +
          element('ETag', `"${copy.etag}"`),
      ),
    };
  } finally {
    closeSealed(object);
  }
}

/** Status and headers of GET and HEAD, after preconditions and Range. */
function describeObject(
  request: S3Request,
  record: ObjectRecord,
): Answer & { range?: { start: number; end: number } } {
  const headers = objectHeaders(request, record);
  if (isNotModified(request.header, record)) {
    const {
      etag = '',
      'last-modified': lastModified = '',
      'cache-control': cacheControl,
    } = headers;
    return {
      status: 304,
      headers: {
        etag,
        'last-modified': lastModified,
        ...(cacheControl === undefined ? {} : { 'cache-control': cacheControl }),
      },
    };
  }
  const range = parseRange(request.header, record);
  if (range) {
    return {
      status: 206,
      range,
      headers: {
        ...headers,
        'content-range': `bytes ${range.start}-${range.end}/${record.size}`,
        'content-length': range.end - range.start + 1,
      },
    };
  }
  // Only with the whole object: a client would compare it with the part that it got.
  const checksum =
    request.header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED'
      ? checksumHeaders(record.checksum)
      : {};
  return { status: 200, headers: { ...headers, ...checksum, 'content-length': record.size } };
}

function parseCopySource(value: string): { bucket: string; key: string } {
  const [path = '', query] = value.split('?');
  if (query !== undefined) throw new S3Error('NotImplemented', 'This server keeps no versions.');
  let decoded: string;
  try {
    decoded = decodeURIComponent(path).replace(/^\//, '');
  } catch {
    throw new S3Error('InvalidArgument', 'The copy source is not URL-encoded.');
  }
  const slash = decoded.indexOf('/');
  if (slash < 1 || slash === decoded.length - 1)
    throw new S3Error(
      'InvalidArgument',
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
    );
  return { bucket: decoded.slice(0, slash), key: decoded.slice(slash + 1) };
}
