/**
 * `make rotate-subject-keys DAYS=365` or `SUBJECT=<user id>`: new keys for the personal values of events to come. Elsewhere than beside a local fleet:
 * DATABASE_URL (the role `audit_service`) and MASTER_KEY_FILE given.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rotateSubjectKey, rotateSubjectKeys } from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { loadMasterKey } from '@muniment/master-key';

const DAY_MS = 24 * 60 * 60_000;

async function environment(): Promise<{ DATABASE_URL: string; MASTER_KEY_FILE: string }> {
  const { DATABASE_URL, MASTER_KEY_FILE, DATA = '.data' } = process.env;
  if (DATABASE_URL && MASTER_KEY_FILE) return { DATABASE_URL, MASTER_KEY_FILE };
  const text = await readFile(join(DATA, 'fleet.json'), 'utf8').catch(() => {
    throw new Error(`no fleet in ${DATA}: run make up first (or name its folder by DATA=)`);
  });
  return (
    JSON.parse(text) as {
      environments: { audit: { DATABASE_URL: string; MASTER_KEY_FILE: string } };
    }
  ).environments.audit;
}

async function rotate(): Promise<void> {
  const { DAYS = '', SUBJECT = '' } = process.env;
  const days = Number(DAYS);
  if (SUBJECT === '' && !(DAYS !== '' && Number.isInteger(days) && days >= 0))
    throw new Error('say which: DAYS=365 (keys that are older) or SUBJECT=<user id>');
  const { DATABASE_URL: url, MASTER_KEY_FILE } = await environment();
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
    console.log(
      `${rotated} ${rotated === 1 ? 'subject has' : 'subjects have'} a new key; what was sealed before stays readable by the old ones`,
    );
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
