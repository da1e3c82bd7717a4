import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { generateMasterKey } from '@muniment/master-key';
import { FleetError } from '../../errors.ts';
import { syncFolder, writeAtomically } from '../../write-atomically.ts';

const SECRET_NAMES = [
  'postgres',
  'migrator',
  'user_service',
  'file_service',
  'audit_service',
  'audit_retention',
  'audit_reconciler',
  's3AccessKeyId',
  's3SecretAccessKey',
] as const;

export type Secrets = Record<(typeof SECRET_NAMES)[number], string>;

/** Files with one secret a line, the one in use first. A deleted one is made again. */
const SECRET_FILES = ['gateway-secret', 'metrics-token', 'mail-password'] as const;

export type SecretFiles = Record<(typeof SECRET_FILES)[number], string>;

export interface LoadedSecrets {
  secrets: Secrets;
  masterKeyFile: string;
  secretFiles: SecretFiles;
}

/**
 * Loads the fleet's passwords and keys, created once: folder 0700, files 0600.
 * They are on the disk before the database. `databaseDir` may lie outside `data`.
 */
export function loadSecrets(data: string, databaseDir: string): LoadedSecrets {
  const folder = path.join(data, 'secrets');
  const masterKeyFile = path.join(folder, 'master.key');
  const passwords = path.join(folder, 'passwords.json');
  const database = existsSync(path.join(databaseDir, 'PG_VERSION'));
  for (const file of [masterKeyFile, passwords]) {
    // New secrets could not open the existing database, nor unwrap its keys.
    if (database && !existsSync(file))
      throw new FleetError(
        `${file} is missing, and the database in ${databaseDir} needs it. ` +
          `Restore it, or remove ${databaseDir} and ${data} with all their data.`,
      );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(masterKeyFile))
    writeAtomically(masterKeyFile, `${generateMasterKey()}\n`, { durable: true });
  const stored: Partial<Secrets> = existsSync(passwords)
    ? JSON.parse(readFileSync(passwords, 'utf8'))
    : {};
  const secrets = Object.fromEntries(
    SECRET_NAMES.map((name) => [name, stored[name] ?? randomBytes(24).toString('base64url')]),
  ) as Secrets;
  if (SECRET_NAMES.some((name) => stored[name] === undefined)) {
    writeAtomically(passwords, `${JSON.stringify(secrets, undefined, 2)}\n`, { durable: true });
    // Flushes the names of both folders too.
    syncFolder(data);
    syncFolder(path.dirname(data));
  }
  return { secrets, masterKeyFile, secretFiles: ensureSecretFiles(folder) };
}

function ensureSecretFiles(folder: string): SecretFiles {
  const files = SECRET_FILES.map((name) => [name, path.join(folder, name)] as const);
  for (const [, file] of files)
    if (!existsSync(file))
      writeAtomically(file, `${randomBytes(32).toString('base64url')}\n`, { durable: true });
  return Object.fromEntries(files) as SecretFiles;
}

/** The first line of a secret's file. @throws FleetError for one that would need quoting */
export function readSecret(file: string): string {
  const [first = ''] = readFileSync(file, 'utf8').split(/\r?\n/);
  if (!/^[\w-]{43,128}$/.test(first))
    throw new FleetError(
      `${file} is malformed. Write 43 to 128 letters, digits, - or _ on each line, ` +
        'or delete the file: a new one is made.',
    );
  return first;
}
