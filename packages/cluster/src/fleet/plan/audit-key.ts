import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { generateSigningKey, verifierLines } from '@muniment/audit-key';
import { FleetError } from '../../errors.ts';
import { writeAtomically } from '../../write-atomically.ts';

/** The services' default of AUDIT_ORIGIN. */
const ORIGIN = 'muniment.local/audit';

/**
 * The log's signing key, made once as DATA/audit-key (0600), and what to give to those who check, DATA/audit-key.pub: one line for each key, the newest
 * first. @returns path of the signing key
 */
export function ensureAuditKey(
  data: string,
  origin: string = process.env.AUDIT_ORIGIN || ORIGIN,
): string {
  const file = path.join(data, 'audit-key');
  const published = `${file}.pub`;
  if (!existsSync(file)) {
    // A new one would sign what those who pinned the public one could not check.
    if (existsSync(published))
      throw new FleetError(
        `${file} is missing, and ${published} says that there was one: put it back, or remove ${published} as well and let those who check know of a new key`,
      );
    writeAtomically(file, `${generateSigningKey(origin).signingKey}\n`, { durable: true });
  }
  const lines = `${verifierLines(readFileSync(file, 'utf8')).join('\n')}\n`;
  if (!existsSync(published) || readFileSync(published, 'utf8') !== lines)
    writeAtomically(published, lines, { durable: true });
  return file;
}
