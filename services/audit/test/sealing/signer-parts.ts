import type { Test } from 'tap';
import { createSigner, generateSigningKey, type LogKeys } from '@muniment/audit-key';
import { startS3, type S3Server } from '@muniment/cluster';
import { openAuditBucket, type AuditBucket } from '../../object-store/audit-bucket.ts';
import { createCheckpointSigner, type CheckpointSigner } from '../../sealing/checkpoint-signer.ts';
import {
  createCheckpointPublisher,
  type CheckpointPublisher,
} from '../../sealing/checkpoint-publisher.ts';
import { createSealer, type Sealer, type SealerOptions } from '../../sealing/sealer.ts';
import { silent } from '../parts.ts';
import { openLog, type Log } from './sealed-log.ts';

export const ORIGIN = 'example.com/log';
const CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' };

export interface CertifiedLog extends Log {
  keys: LogKeys;
  s3: S3Server;
  bucket: AuditBucket;
  /** Another process's: it remembers nothing. */
  signer(keys?: LogKeys): CheckpointSigner;
  publisher(signer: CheckpointSigner): CheckpointPublisher;
  sealer(options?: Partial<SealerOptions>): Sealer;
  /** Keys of the bucket. */
  objects(): Promise<string[]>;
}

export function newKeys(): LogKeys {
  const signer = createSigner(generateSigningKey(ORIGIN).signingKey);
  return { signers: [signer], verifiers: [signer.verifier] };
}

/** A log with a bucket and keys of its own. */
export async function openCertifiedLog(t: Test): Promise<CertifiedLog> {
  const log = await openLog(t);
  const s3 = await startS3({
    dir: t.testdir(),
    buckets: ['audit'],
    durable: false,
    ...CREDENTIALS,
  });
  t.teardown(() => s3.stop().catch(() => {}));
  const bucket = openAuditBucket({
    AUDIT_BUCKET: 'audit',
    AUDIT_S3_ENDPOINT: s3.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
  t.teardown(() => bucket.close());
  const keys = newKeys();
  const certified: CertifiedLog = {
    ...log,
    keys,
    s3,
    bucket,
    signer: (other = keys) => createCheckpointSigner({ db: log.db, keys: other, origin: ORIGIN }),
    publisher: (signer) => createCheckpointPublisher({ db: log.db, bucket, signer, lockDays: 1 }),
    sealer(options) {
      const signer = options?.signer ?? certified.signer();
      const made = createSealer({
        db: log.db,
        replica: 'audit-test',
        log: { ...silent, error() {} },
        signer,
        publisher: certified.publisher(signer),
        leaseTtlMs: 600,
        pollMs: 20,
        checkpointMs: 100,
        ...options,
      });
      t.teardown(() => made.stop());
      return made;
    },
    async objects() {
      const found: string[] = [];
      for await (const key of bucket.list('')) found.push(key);
      return found;
    },
  };
  return certified;
}
