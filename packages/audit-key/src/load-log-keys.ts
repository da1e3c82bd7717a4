import { readFile } from 'node:fs/promises';
import { parseVerifierKey, VerifyError, type VerifierKey } from '@muniment/audit-verify';
import { AuditKeyError } from './errors.ts';
import { createSigner, isSigningKey, type NoteSigner } from './signing-key.ts';

export interface LogKeys {
  /** Every one of them signs every checkpoint. */
  signers: readonly NoteSigner[];
  /** Keys whose signatures are valid: those of the signers and those of past keys. */
  verifiers: readonly VerifierKey[];
}

/** The lines of a key file without comments and empty lines. */
export function keyLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

async function readKeyFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new AuditKeyError(
      'audit_key_unreadable',
      `The audit key file ${file} cannot be read. Check its path and mode.`,
      { cause },
    );
  }
}

function parseKeyFile(text: string, file: string): LogKeys {
  const signers: NoteSigner[] = [];
  const pastKeys: VerifierKey[] = [];
  for (const [index, line] of keyLines(text).entries()) {
    try {
      if (isSigningKey(line)) signers.push(createSigner(line));
      else pastKeys.push(parseVerifierKey(line));
    } catch (error) {
      if (!(error instanceof AuditKeyError) && !(error instanceof VerifyError)) throw error;
      throw new AuditKeyError(
        'audit_key_malformed',
        `Key ${index + 1} of the audit key file ${file} is malformed: ${error.message}`,
        { cause: error },
      );
    }
  }
  return { signers, verifiers: [...signers.map(({ verifier }) => verifier), ...pastKeys] };
}

/**
 * Loads the key file of a log, one key a line: signing keys sign, verifier keys are past keys.
 * Errors name the file, never its content. The mode is not checked: Docker mounts secrets as 0444.
 * @param name the log's origin, which every key must have
 * @throws AuditKeyError
 */
export async function loadLogKeys(file: string, name: string): Promise<LogKeys> {
  const keys = parseKeyFile(await readKeyFile(file), file);
  if (keys.signers.length === 0)
    throw new AuditKeyError(
      'audit_key_malformed',
      `The audit key file ${file} holds no signing key. Add one as its first line.`,
    );
  const foreignKey = keys.verifiers.find((key) => key.name !== name);
  if (foreignKey)
    throw new AuditKeyError(
      'audit_key_misnamed',
      `The audit key file ${file} holds a key of the log ${foreignKey.name}. Use keys of ${name}.`,
    );
  return keys;
}
