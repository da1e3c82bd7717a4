import { parseVerifierKey } from '@muniment/audit-verify';
import { AuditKeyError } from './errors.ts';
import { keyLines } from './load-log-keys.ts';
import { generateSigningKey, isSigningKey, parseSigningKey } from './signing-key.ts';

const verifierLine = (line: string): string =>
  isSigningKey(line) ? parseSigningKey(line).verifierKey : line;

/** The verifier keys of a key file, newest first. @throws AuditKeyError, VerifyError */
export const verifierLines = (text: string): string[] => keyLines(text).map(verifierLine);

/**
 * Returns the key file with a new signing key before the others.
 * @param overlap whether the last key goes on signing until the next rotation, so that its
 * verifiers
 *   have time to learn of the new key
 * @throws AuditKeyError, VerifyError when the text is not a key file
 */
export function rotateKeys(text: string, { overlap }: { overlap: boolean }): string {
  const lines = keyLines(text);
  const [first] = verifierLines(text);
  if (first === undefined)
    throw new AuditKeyError(
      'audit_key_malformed',
      'The audit key file is empty. Generate a first key before you rotate.',
    );
  const { name } = parseVerifierKey(first);
  const olderLines = lines.map((line, index) =>
    overlap && index === 0 ? line : verifierLine(line),
  );
  return `${[generateSigningKey(name).signingKey, ...olderLines].join('\n')}\n`;
}
