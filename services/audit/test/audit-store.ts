import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { startS3 } from '@muniment/cluster';

/** Starts an object store for the test. @returns the settings of the audit service for it */
export async function startAuditStore(t: Test): Promise<Record<string, string>> {
  const dir = await mkdtemp(join(tmpdir(), 'muniment-audit-store-'));
  const s3 = await startS3({
    dir,
    buckets: ['audit'],
    durable: false,
    accessKeyId: 'local',
    secretAccessKey: 'local',
  });
  t.teardown(async () => {
    await s3.stop();
    await rm(dir, { recursive: true, force: true });
  });
  return { AUDIT_BUCKET: 'audit', AUDIT_S3_ENDPOINT: s3.endpoint };
}
