import { crc32 } from 'node:zlib';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import { abortOpenUploads, abortUpload, deleteObject, type ObjectStore } from './object-store.ts';
import type { PutRequest } from './put-bytes.ts';
import { encodeValue } from './request-signer.ts';
import { attempt } from './unavailable.ts';

/** What S3 answers for a whole object. */
export interface StoredObject {
  ETag?: string | undefined;
  VersionId?: string | undefined;
}

/** The requests that upload one object, and what S3 may hold of it. */
export interface ObjectUpload {
  put(body: Buffer, options: { mediaType: string; sha256: string }): Promise<StoredObject>;
  startParts(mediaType: string): Promise<void>;
  isInParts(): boolean;
  sendPart(bytes: Buffer): Promise<void>;
  completeParts(): Promise<StoredObject>;
  isInDoubt(): boolean;
  /** Removes what reached S3. @throws when S3 does not confirm it */
  discard(versionId: string | null): Promise<void>;
}

/**
 * Each attempt makes its request where it is sent: a variable that held it across the await cost a
 * replica 40 MB after 2 GiB of uploads.
 */
export function createObjectUpload(store: ObjectStore, key: string): ObjectUpload {
  const { s3, bucket, putBytes, requestTimeoutMs } = store;
  const object = { Bucket: bucket, Key: key };
  const parts: CompletedPart[] = [];
  let uploadId: string | undefined;
  /** What S3 may hold without having confirmed it. */
  const doubt = { object: false, upload: false };

  const timeoutFor = ({ length }: Buffer): number => requestTimeoutMs + transferMs(length);
  const doubtObject = (): void => void (doubt.object = true);
  const doubtUpload = (): void => void (doubt.upload = true);

  return {
    async put(body, content) {
      const send = () =>
        putBytes({ key, ...wholeObject(content), body, timeoutMs: timeoutFor(body) });
      const answer = await attempt(send, doubtObject);
      doubtObject();
      return { ETag: answer['etag'], VersionId: answer['x-amz-version-id'] };
    },
    async startParts(mediaType) {
      const parameters = { ...object, ContentType: mediaType, ChecksumAlgorithm: 'CRC32' as const };
      const started = await attempt(
        () => s3.send(new CreateMultipartUploadCommand(parameters)),
        doubtUpload,
      );
      uploadId = started.UploadId;
    },
    isInParts: () => uploadId !== undefined,
    async sendPart(bytes) {
      const part = { PartNumber: parts.length + 1, ChecksumCRC32: crc32Of(bytes) };
      const timeoutMs = timeoutFor(bytes);
      const send = () =>
        putBytes({ key, ...onePart(part, uploadId ?? ''), body: bytes, timeoutMs });
      const { etag: ETag } = await attempt(send);
      parts.push({ ...part, ETag });
    },
    completeParts() {
      doubtObject();
      const multipart = { UploadId: uploadId, MultipartUpload: { Parts: parts } };
      return attempt(() =>
        s3.send(new CompleteMultipartUploadCommand({ ...object, ...multipart })),
      );
    },
    isInDoubt: () => uploadId !== undefined || doubt.upload || doubt.object,
    async discard(versionId) {
      if (uploadId !== undefined) await abortUpload(store, key, uploadId);
      else if (doubt.upload) await abortOpenUploads(store, key);
      if (doubt.object) await deleteObject(store, key, versionId);
    },
  };
}

/** A path to S3 at 1 MiB/s is slow, not dead. */
const transferMs = (bytes: number): number => Math.ceil(bytes / 1024 ** 2) * 1_000;

function crc32Of(bytes: Buffer): string {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(bytes));
  return checksum.toString('base64');
}

type Described = Pick<PutRequest, 'query' | 'headers' | 'payloadHash'>;

const wholeObject = ({ mediaType, sha256 }: { mediaType: string; sha256: string }): Described => ({
  query: '',
  headers: {
    'content-type': mediaType,
    'x-amz-checksum-sha256': Buffer.from(sha256, 'hex').toString('base64'),
  },
  payloadHash: sha256,
});

/** S3 compares a part's bytes with the signed checksum. */
const onePart = (
  { PartNumber, ChecksumCRC32 }: { PartNumber: number; ChecksumCRC32: string },
  uploadId: string,
): Described => ({
  query: `partNumber=${PartNumber}&uploadId=${encodeValue(uploadId)}`,
  headers: { 'x-amz-checksum-crc32': ChecksumCRC32 },
  payloadHash: 'UNSIGNED-PAYLOAD',
});
