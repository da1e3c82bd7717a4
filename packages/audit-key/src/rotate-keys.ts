import { parseVerifierKey } from '@muniment/audit-verify';
import { keyLines } from './load-log-keys.ts';
import { generateSigningKey, isSigningKey, parseSigningKey } from './signing-key.ts';

const verifierLine = (line: string): string =>
  isSigningKey(line) ? parseSigningKey(line).verifierKey : line;

/** What those who check need of a key file: the verifier keys, the newest first. @throws AuditKeyError, VerifyError */
export const verifierLines = (text: string): string[] => keyLines(text).map(verifierLine);

/**
 * The key file with a new signing key before the others.
 * @param overlap whether the last key signs on beside the new one, until this is called again; those who pinned it then have time to learn of the new one
 * @throws AuditKeyError, VerifyError when the text is no key file
 */
export function rotateKeys(text: string, { overlap }: { overlap: boolean }): string {
  const lines = keyLines(text);
  const [first] = verifierLines(text);
  if (first === undefined) throw new Error('the key file is empty');
  const { name } = parseVerifierKey(first);
  const kept = lines.map((line, index) => (overlap && index === 0 ? line : verifierLine(line)));
  return `${[generateSigningKey(name).signingKey, ...kept].join('\n')}\n`;
}
