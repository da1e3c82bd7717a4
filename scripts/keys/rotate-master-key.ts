/**
 * `make rotate-master-key`: gives a local fleet a new master key, or completes a rotation that was
 * interrupted. With MASTER_KEY_FILE and DATABASE_OWNER_URL (role `migrator`) it only rewraps;
 * --shared lets it write that file too, readable by all, as the services of containers need it.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { generateMasterKey, loadMasterKey, parseMasterKeys } from '@muniment/master-key';
// By path: an image has no other part of that package.
import { writeAtomically } from '../../packages/cluster/src/write-atomically.ts';
import { lockRotation, rewrapAll } from './rewrap.ts';

/** Time for replicas that read the old file to store what they have wrapped. */
const SETTLE_MS = 2_000;

interface Target {
  masterKeyFile: string;
  databaseUrl: string;
  /** The mode of the key file that this command writes. Undefined: it may not write it. */
  keyMode: number | undefined;
}

async function findTarget(shared: boolean): Promise<Target> {
  const {
    MASTER_KEY_FILE: masterKeyFile,
    DATABASE_OWNER_URL: databaseUrl,
    DATA: data = '.data',
  } = process.env;
  if (masterKeyFile && databaseUrl)
    return { masterKeyFile, databaseUrl, keyMode: shared ? 0o444 : undefined };
  const text = await readFile(join(data, 'fleet.json'), 'utf8').catch(() => {
    throw new Error(`There is no fleet in ${data}. Run make up first, or set DATA.`);
  });
  const fleet = JSON.parse(text) as { masterKeyFile: string; postgres: { url: string } };
  return { masterKeyFile: fleet.masterKeyFile, databaseUrl: fleet.postgres.url, keyMode: 0o600 };
}

/** Puts a new key before the present one. A file with two keys is an interrupted rotation. */
function addKey(masterKeyFile: string, mode: number): void {
  const text = readFileSync(masterKeyFile, 'utf8').trimEnd();
  if (parseMasterKeys(text, masterKeyFile).length === 1)
    writeAtomically(masterKeyFile, `${generateMasterKey()}\n${text}\n`, { durable: true, mode });
  else console.log('A rotation was interrupted; it is completed.');
}

/** Drops all keys of the file but the newest. */
function dropOldKeys(masterKeyFile: string, mode: number): void {
  const [newest = ''] = readFileSync(masterKeyFile, 'utf8').split('\n', 1);
  writeAtomically(masterKeyFile, `${newest}\n`, { durable: true, mode });
}

async function rotate(): Promise<void> {
  const { values } = parseArgs({ options: { shared: { type: 'boolean', default: false } } });
  const { masterKeyFile, databaseUrl, keyMode } = await findTarget(values.shared);
  const db = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'muniment-rotate-master-key',
  });
  await db.connect();
  try {
    if (!(await lockRotation(db)))
      throw new Error('Another rotation of the master key is under way. Try again later.');
    if (keyMode !== undefined) addKey(masterKeyFile, keyMode);
    const masterKey = await loadMasterKey(masterKeyFile);
    let rewrapped = await rewrapAll(db, masterKey);
    await sleep(SETTLE_MS);
    rewrapped += await rewrapAll(db, masterKey);
    if (keyMode !== undefined) dropOldKeys(masterKeyFile, keyMode);
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
