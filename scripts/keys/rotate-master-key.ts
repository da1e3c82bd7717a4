/**
 * `make rotate-master-key`: gives a local fleet, running or not yet started again, a new master key. A key file with more than one key is a
 * rotation that was broken off; it is brought to its end.
 * Elsewhere, with the file in the hands of others: MASTER_KEY_FILE and DATABASE_OWNER_URL (the role `migrator`) given, it only wraps anew.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { writeAtomically } from '@muniment/cluster';
import { generateMasterKey, loadMasterKey, parseMasterKeys } from '@muniment/master-key';
import { lockRotation, rewrapAll } from './rewrap.ts';

/** A replica that had read the file just before it changed may still be about to store what it wrapped. */
const SETTLE_MS = 2_000;

interface Target {
  masterKeyFile: string;
  databaseUrl: string;
  /** The file is ours to write. */
  local: boolean;
}

async function target(): Promise<Target> {
  const {
    MASTER_KEY_FILE: masterKeyFile,
    DATABASE_OWNER_URL: databaseUrl,
    DATA: data = '.data',
  } = process.env;
  if (masterKeyFile && databaseUrl) return { masterKeyFile, databaseUrl, local: false };
  const text = await readFile(join(data, 'fleet.json'), 'utf8').catch(() => {
    throw new Error(`no fleet in ${data}: run make up first (or name its folder by DATA=)`);
  });
  const fleet = JSON.parse(text) as { masterKeyFile: string; postgres: { url: string } };
  return { masterKeyFile: fleet.masterKeyFile, databaseUrl: fleet.postgres.url, local: true };
}

async function rotate(): Promise<void> {
  const { masterKeyFile, databaseUrl, local } = await target();
  const db = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'muniment-rotate-master-key',
  });
  await db.connect();
  try {
    if (!(await lockRotation(db)))
      throw new Error('another rotation of the master key is under way');
    if (local) {
      const text = readFileSync(masterKeyFile, 'utf8').trimEnd();
      if (parseMasterKeys(text, masterKeyFile).length === 1)
        writeAtomically(masterKeyFile, `${generateMasterKey()}\n${text}\n`, { durable: true });
      else console.log('a rotation was broken off; it goes on');
    }
    const masterKey = await loadMasterKey(masterKeyFile);
    let rewrapped = await rewrapAll(db, masterKey);
    await sleep(SETTLE_MS);
    rewrapped += await rewrapAll(db, masterKey);
    if (local)
      writeAtomically(
        masterKeyFile,
        `${readFileSync(masterKeyFile, 'utf8').split('\n', 1)[0] ?? ''}\n`,
        { durable: true },
      );
    console.log(
      `${rewrapped} keys are wrapped by the new master key ${masterKey.id}; back up ${masterKeyFile}`,
    );
    console.log(
      'Backups of the database of before need the master key of before: keep it with them.',
    );
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
