import type { Test } from 'tap';
import { startS3 } from '@muniment/cluster';
import { temporaryFolder } from '@muniment/testing';

/** Starts an object store for the test. @returns the settings of the audit service for it */
export async function startAuditStore(t: Test): Promise<Record<string, string>> {
  const dir = await temporaryFolder(t);
  const s3 = await startS3({
    dir,
    buckets: ['audit'],
    durable: false,
    accessKeyId: 'local',
    secretAccessKey: 'local',
  });
  t.teardown(() => s3.stop());
  return { AUDIT_BUCKET: 'audit', AUDIT_S3_ENDPOINT: s3.endpoint };
}
