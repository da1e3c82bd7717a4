import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { generateMasterKey } from '@muniment/master-key';
import { FleetError } from '../../errors.ts';
import { syncFolder, writeAtomically } from '../../write-atomically.ts';

const NAMES = [
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

export type Secrets = Record<(typeof NAMES)[number], string>;

/**
 * The fleet's passwords and keys, made once: folder 0700, files 0600, on the disk before a database that needs them is
 * made. `databaseDir` is where PostgreSQL really keeps its data, which is not always inside `data`.
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
    // New ones would leave a database that nobody can enter, and wrapped keys that nothing can unwrap.
    if (database && !existsSync(file))
      throw new FleetError(
        `${file} is missing, and the database in ${databaseDir} needs it: put it back, or remove ${databaseDir} and ${data} with all their data`,
      );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(masterKeyFile))
    writeAtomically(masterKeyFile, `${generateMasterKey()}\n`, { durable: true });
  const known: Partial<Secrets> = existsSync(passwords)
    ? JSON.parse(readFileSync(passwords, 'utf8'))
    : {};
  const secrets = Object.fromEntries(
    NAMES.map((name) => [name, known[name] ?? randomBytes(24).toString('base64url')]),
  ) as Secrets;
  if (NAMES.some((name) => known[name] === undefined)) {
    writeAtomically(passwords, `${JSON.stringify(secrets, undefined, 2)}\n`, { durable: true });
    // The names of the two folders as well.
    syncFolder(data);
    syncFolder(path.dirname(data));
  }
  return { secrets, masterKeyFile };
}
