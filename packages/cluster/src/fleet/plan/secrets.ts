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

/**
 * Loads the fleet's passwords and keys, created once: folder 0700, files 0600.
 * They are on the disk before the database. `databaseDir` may lie outside `data`.
 */
export function loadSecrets(
  data: string,
  databaseDir: string,
): { secrets: Secrets; masterKeyFile: string } {
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
  return { secrets, masterKeyFile };
}
