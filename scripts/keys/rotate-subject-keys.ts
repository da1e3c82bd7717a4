/**
 * `make rotate-subject-keys DAYS=365` or `SUBJECT=<user id>`: new keys for future personal values.
 * Without a local fleet, set DATABASE_URL (role `audit_service`) and MASTER_KEY_FILE.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rotateSubjectKey, rotateSubjectKeys } from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { loadMasterKey } from '@muniment/master-key';

const DAY_MS = 24 * 60 * 60_000;

interface AuditEnvironment {
  DATABASE_URL: string;
  MASTER_KEY_FILE: string;
}

async function readEnvironment(): Promise<AuditEnvironment> {
  const { DATABASE_URL, MASTER_KEY_FILE, DATA = '.data' } = process.env;
  if (DATABASE_URL && MASTER_KEY_FILE) return { DATABASE_URL, MASTER_KEY_FILE };
  const text = await readFile(join(DATA, 'fleet.json'), 'utf8').catch(() => {
    throw new Error(`There is no fleet in ${DATA}. Run make up first, or set DATA.`);
  });
  const fleet = JSON.parse(text) as { environments: { audit: AuditEnvironment } };
  return fleet.environments.audit;
}

async function rotate(): Promise<void> {
  const { DAYS = '', SUBJECT = '' } = process.env;
  const days = Number(DAYS);
  if (SUBJECT === '' && !(DAYS !== '' && Number.isInteger(days) && days >= 0))
    throw new Error('Set DAYS=365 (keys that are older) or SUBJECT=<user id>.');
  const { DATABASE_URL: url, MASTER_KEY_FILE } = await readEnvironment();
  const masterKey = await loadMasterKey(MASTER_KEY_FILE);
  const { db } = createDatabase<unknown>({
    url,
    applicationName: 'muniment-rotate-subject-keys',
    poolMax: 1,
  });
  try {
    const rotated =
      SUBJECT === ''
        ? await rotateSubjectKeys(db, masterKey, new Date(Date.now() - days * DAY_MS))
        : Number(await rotateSubjectKey(db, masterKey, SUBJECT));
    const subjects = rotated === 1 ? 'subject has' : 'subjects have';
    console.log(`${rotated} ${subjects} a new key. Sealed events stay readable by the old ones.`);
  } finally {
    await db.destroy();
  }
}

try {
  await rotate();
} catch (error) {
  console.error(
    `make rotate-subject-keys: ${error instanceof Error ? error.message : String(error)}`,
  );
  process.exitCode = 1;
}
