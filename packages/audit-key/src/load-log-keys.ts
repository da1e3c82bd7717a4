import { readFile } from 'node:fs/promises';
import { parseVerifierKey, VerifyError, type VerifierKey } from '@muniment/audit-verify';
import { AuditKeyError } from './errors.ts';
import { createSigner, isSigningKey, type NoteSigner } from './signing-key.ts';

/** The keys of a log. */
export interface LogKeys {
  /** All of them sign every checkpoint. */
  signers: readonly NoteSigner[];
  /** Whose signatures count: the signers' and those of keys that signed in the past. */
  verifiers: readonly VerifierKey[];
}

/** The lines that count. */
export const keyLines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

/**
 * Reads the file of a log's keys, one a line: signing keys sign, verifier keys are those of the past. Errors name the file, never its content. The mode is
 * not checked: Docker mounts secrets as 0444.
 * @param name that every key must have: the log's origin
 * @throws AuditKeyError
 */
export async function loadLogKeys(file: string, name: string): Promise<LogKeys> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new AuditKeyError('audit_key_unreadable', `audit key file ${file} cannot be read`, {
      cause,
    });
  });
  const lines = keyLines(text);
  const signers: NoteSigner[] = [];
  const past: VerifierKey[] = [];
  for (const [index, line] of lines.entries()) {
    try {
      if (isSigningKey(line)) signers.push(createSigner(line));
      else past.push(parseVerifierKey(line));
    } catch (error) {
      if (!(error instanceof AuditKeyError) && !(error instanceof VerifyError)) throw error;
      throw new AuditKeyError(
        'audit_key_malformed',
        `audit key file ${file}, key ${index + 1}: ${error.message}`,
      );
    }
  }
  if (signers.length === 0)
    throw new AuditKeyError('audit_key_malformed', `audit key file ${file} holds no signing key`);
  const verifiers = [...signers.map(({ verifier }) => verifier), ...past];
  const other = verifiers.find((key) => key.name !== name);
  if (other)
    throw new AuditKeyError(
      'audit_key_misnamed',
      `audit key file ${file} has a key of the log ${other.name}; this one is ${name}`,
    );
  return { signers, verifiers };
}
