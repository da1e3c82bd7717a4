import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { generateSigningKey, verifierLines } from '@muniment/audit-key';
import { FleetError } from '../../errors.ts';
import { writeAtomically } from '../../write-atomically.ts';

/** The services' default of AUDIT_ORIGIN. */
const DEFAULT_ORIGIN = 'muniment.local/audit';

/**
 * Creates the log's signing key once, as DATA/audit-key (0600). @returns its path
 * DATA/audit-key.pub has the public lines for verifiers, newest first.
 */
export function ensureAuditKey(data: string, origin: string = DEFAULT_ORIGIN): string {
  const file = path.join(data, 'audit-key');
  const publicFile = `${file}.pub`;
  if (!existsSync(file)) {
    // Verifiers who pinned the public key could not verify the signatures of a new one.
    if (existsSync(publicFile))
      throw new FleetError(
        `${file} is missing, though ${publicFile} exists. Restore it, ` +
          `or remove ${publicFile} too and give the new public key to all verifiers.`,
      );
    writeAtomically(file, `${generateSigningKey(origin).signingKey}\n`, { durable: true });
  }
  const lines = `${verifierLines(readFileSync(file, 'utf8')).join('\n')}\n`;
  if (!existsSync(publicFile) || readFileSync(publicFile, 'utf8') !== lines)
    writeAtomically(publicFile, lines, { durable: true });
  return file;
}
