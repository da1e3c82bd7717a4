/**
 * `make rotate-master-key`: gives a local fleet a new master key, or completes a rotation that was
 * interrupted. With MASTER_KEY_FILE and DATABASE_OWNER_URL (role `migrator`) it only rewraps.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { writeAtomically } from '@muniment/cluster';
import { generateMasterKey, loadMasterKey, parseMasterKeys } from '@muniment/master-key';
import { lockRotation, rewrapAll } from './rewrap.ts';

/** Time for replicas that read the old file to store what they have wrapped. */
const SETTLE_MS = 2_000;

interface Target {
  masterKeyFile: string;
  databaseUrl: string;
  /** Whether this command may write the key file. */
  isLocal: boolean;
}

async function findTarget(): Promise<Target> {
  const {
    MASTER_KEY_FILE: masterKeyFile,
    DATABASE_OWNER_URL: databaseUrl,
    DATA: data = '.data',
  } = process.env;
  if (masterKeyFile && databaseUrl) return { masterKeyFile, databaseUrl, isLocal: false };
  const text = await readFile(join(data, 'fleet.json'), 'utf8').catch(() => {
    throw new Error(`There is no fleet in ${data}. Run make up first, or set DATA.`);
  });
  const fleet = JSON.parse(text) as { masterKeyFile: string; postgres: { url: string } };
  return { masterKeyFile: fleet.masterKeyFile, databaseUrl: fleet.postgres.url, isLocal: true };
}

/** Puts a new key before the present one. A file with two keys is an interrupted rotation. */
function addKey(masterKeyFile: string): void {
  const text = readFileSync(masterKeyFile, 'utf8').trimEnd();
  if (parseMasterKeys(text, masterKeyFile).length === 1)
    writeAtomically(masterKeyFile, `${generateMasterKey()}\n${text}\n`, { durable: true });
  else console.log('A rotation was interrupted; it is completed.');
}

/** Drops all keys of the file but the newest. */
function dropOldKeys(masterKeyFile: string): void {
  const [newest = ''] = readFileSync(masterKeyFile, 'utf8').split('\n', 1);
  writeAtomically(masterKeyFile, `${newest}\n`, { durable: true });
}

async function rotate(): Promise<void> {
  const { masterKeyFile, databaseUrl, isLocal } = await findTarget();
  const db = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'muniment-rotate-master-key',
  });
  await db.connect();
  try {
    if (!(await lockRotation(db)))
      throw new Error('Another rotation of the master key is under way. Try again later.');
    if (isLocal) addKey(masterKeyFile);
    const masterKey = await loadMasterKey(masterKeyFile);
    let rewrapped = await rewrapAll(db, masterKey);
    await sleep(SETTLE_MS);
    rewrapped += await rewrapAll(db, masterKey);
    if (isLocal) dropOldKeys(masterKeyFile);
    console.log(
      `${rewrapped} keys are wrapped by the new master key ${masterKey.id}. ` +
        `Back up ${masterKeyFile}.`,
    );
    console.log('Earlier backups of the database need the old master key: store it with them.');
  } finally {
    await db.end();
  }
}

try {
  await rotate();
} catch (error) {
  console.error(
    `make rotate-master-key: ${error instanceof Error ? error.message : String(error)}`,
  );
  process.exitCode = 1;
}
