import { S3Error } from '../protocol/errors.ts';
import { createBucket, deleteBucket, findBucket } from '../store/bucket-store.ts';
import { deleteObject } from '../store/object-store.ts';
import type { Answer, S3Request } from './request.ts';
import { readXmlBody } from './xml-body.ts';
import { document, element, parent, parseItems } from '../protocol/xml.ts';

const MAX_DELETES = 1000;

export async function listBucketsOperation(request: S3Request): Promise<Answer> {
  const buckets = [...request.store.buckets.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((bucket) =>
      parent(
        'Bucket',
        element('Name', bucket.name) + element('CreationDate', bucket.created.toISOString()),
      ),
    );
  return {
    xml: document(
      'ListAllMyBucketsResult',
      parent('Owner', element('ID', 'local') + element('DisplayName', 'local')) +
        parent('Buckets', buckets.join('')),
    ),
  };
}

export async function createBucketOperation(request: S3Request): Promise<Answer> {
  // The body may name a region; this server has one only.
  if (Number(request.header('content-length') ?? 0) > 0) await readXmlBody(request);
  await createBucket(request.store, request.bucket);
  return { headers: { location: `/${request.bucket}` } };
}

export async function headBucketOperation(request: S3Request): Promise<Answer> {
  findBucket(request.store, request.bucket);
  return { headers: { 'x-amz-bucket-region': 'us-east-1' } };
}

export async function deleteBucketOperation(request: S3Request): Promise<Answer> {
  await deleteBucket(findBucket(request.store, request.bucket));
  return { status: 204 };
}

export async function getBucketLocationOperation(request: S3Request): Promise<Answer> {
  findBucket(request.store, request.bucket);
  return { xml: document('LocationConstraint', '') };
}

/** Answers that versioning was never enabled. Tools ask before they list or delete. */
export async function getBucketVersioningOperation(request: S3Request): Promise<Answer> {
  findBucket(request.store, request.bucket);
  return { xml: document('VersioningConfiguration', '') };
}

export async function deleteObjectsOperation(request: S3Request): Promise<Answer> {
  const bucket = findBucket(request.store, request.bucket);
  const checked =
    request.header('content-md5') ??
    request.header('x-amz-trailer') ??
    [...request.headers.keys()].find((name) => name.startsWith('x-amz-checksum-'));
  if (checked === undefined)
    throw new S3Error(
      'InvalidRequest',
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    );
  const { items, rest } = parseItems(await readXmlBody(request), 'Delete', 'Object');
  if (items.length > MAX_DELETES || items.some((item) => !item['Key']))
    throw new S3Error('MalformedXML');
  const results: string[] = [];
  for (const { Key: key = '', VersionId: version } of items) {
    if (version !== undefined && version !== 'null') {
      results.push(
        parent(
          'Error',
          element('Key', key) +
            element('Code', 'NotImplemented') +
            element('Message', 'This server keeps no versions.'),
        ),
      );
      continue;
    }
    await deleteObject(bucket, key, () => {}); // unconditional
    if (rest['Quiet'] !== 'true') results.push(parent('Deleted', element('Key', key)));
  }
  return { xml: document('DeleteResult', results.join('')) };
}
