import {
  createBucketOperation,
  deleteBucketOperation,
  deleteObjectsOperation,
  getBucketLocationOperation,
  getBucketVersioningOperation,
  headBucketOperation,
  listBucketsOperation,
} from './operations/bucket-operations.ts';
import { S3Error } from './protocol/errors.ts';
import { listObjectsOperation, listObjectsV2Operation } from './operations/list-operations.ts';
import { listPartsOperation, listUploadsOperation } from './operations/list-upload-operations.ts';
import {
  abortUploadOperation,
  completeUploadOperation,
  createUploadOperation,
  uploadPartOperation,
} from './operations/upload-operations.ts';
import {
  copyObjectOperation,
  deleteObjectOperation,
  getObjectOperation,
  putObjectOperation,
} from './operations/object-operations.ts';
import type { Answer, S3Request } from './operations/request.ts';

type Operation = (request: S3Request) => Promise<Answer>;

// Subresources that this server lacks. The plain object or listing would be a wrong answer.
const UNSUPPORTED = new Set([
  'accelerate',
  'acl',
  'analytics',
  'attributes',
  'cors',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'logging',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'renameObject',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'session',
  'tagging',
  'torrent',
  'versionId',
  'versions',
  'website',
]);

/** Finds the operation of a request. @throws NotImplemented, MethodNotAllowed */
export function findOperation(request: S3Request): Operation {
  const missing = [...request.query.keys()].find((name) => UNSUPPORTED.has(name));
  if (missing !== undefined)
    throw new S3Error('NotImplemented', undefined, { ResourceType: missing });
  const operation =
    request.bucket === '' && request.key === ''
      ? serviceOperation(request)
      : request.key === ''
        ? bucketOperation(request)
        : objectOperation(request);
  if (operation) return operation;
  throw new S3Error('MethodNotAllowed', undefined, {
    Method: request.method,
    ResourceType: request.key === '' ? 'BUCKET' : 'OBJECT',
  });
}

function serviceOperation({ method }: S3Request): Operation | undefined {
  return method === 'GET' ? listBucketsOperation : undefined;
}

function bucketOperation({ method, query }: S3Request): Operation | undefined {
  switch (method) {
    case 'PUT':
      if (query.has('versioning'))
        throw new S3Error('NotImplemented', undefined, { ResourceType: 'versioning' });
      return createBucketOperation;
    case 'HEAD':
      return headBucketOperation;
    case 'DELETE':
      return deleteBucketOperation;
    case 'POST':
      return query.has('delete') ? deleteObjectsOperation : undefined;
    case 'GET':
      if (query.has('location')) return getBucketLocationOperation;
      if (query.has('versioning')) return getBucketVersioningOperation;
      if (query.has('uploads')) return listUploadsOperation;
      return query.get('list-type') === '2' ? listObjectsV2Operation : listObjectsOperation;
    default:
      return undefined;
  }
}

function objectOperation({ method, query, header }: S3Request): Operation | undefined {
  const inUpload = query.has('uploadId');
  switch (method) {
    case 'PUT':
      if (header('x-amz-copy-source') === undefined)
        return inUpload ? uploadPartOperation : putObjectOperation;
      if (inUpload) throw new S3Error('NotImplemented', 'UploadPartCopy is not implemented.');
      return copyObjectOperation;
    case 'GET':
    case 'HEAD':
      if (query.has('partNumber'))
        throw new S3Error('NotImplemented', undefined, { ArgumentName: 'partNumber' });
      return inUpload && method === 'GET' ? listPartsOperation : getObjectOperation;
    case 'DELETE':
      return inUpload ? abortUploadOperation : deleteObjectOperation;
    case 'POST':
      return query.has('uploads')
        ? createUploadOperation
        : inUpload
          ? completeUploadOperation
          : undefined;
    default:
      return undefined;
  }
}
