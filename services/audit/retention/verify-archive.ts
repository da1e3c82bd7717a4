import { createExportVerification, type VerifierKey } from '@muniment/audit-verify';
import type { AuditBucket } from '../object-store/audit-bucket.ts';
import { ArchiveRefuted } from '../errors.ts';
import type { Archive } from './archive-queries.ts';
import { readCompressed } from './archive-object.ts';

/**
 * Reads an archive back and verifies it row by row against the pinned keys, as a stranger would. It
 * must also be the recorded object.
 * @throws ArchiveRefuted
 */
export async function verifyArchive(
  bucket: Pick<AuditBucket, 'name' | 'client'>,
  archive: Archive,
  keys: readonly VerifierKey[],
  onChunk: () => Promise<void> = async () => {},
): Promise<void> {
  const refuse = (why: string): never => {
    throw new ArchiveRefuted(archive.object_key, why);
  };
  const verification = createExportVerification({ keys });
  const { bytes, sha256 } = await readCompressed(bucket, archive.object_key, async (chunk) => {
    verification.push(chunk);
    await onChunk();
  });
  const report = verification.end();
  if (bytes !== archive.bytes || !sha256.equals(archive.sha256))
    refuse('it is not the object that was written');
  if (report.verdict === 'refuted' || report.verdict === 'unreadable')
    refuse(report.findings[0]?.message ?? 'it is no export');
  if (
    report.rows !== archive.rows ||
    report.first_index !== archive.first_index ||
    report.last_index !== archive.last_index ||
    report.checkpoint?.size !== archive.tree_size
  ) {
    refuse(`it has ${report.rows} rows with indexes ${report.first_index} to ${report.last_index}`);
  }
}
