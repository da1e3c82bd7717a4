import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseVerifierKey, type VerifierKey } from '@muniment/audit-verify';
import type { Fleet } from '../e2e/fleet.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The checker's own administrator account. */
export interface CheckerAccount {
  userId: string;
  token: string;
  /** The pinned key of the log. */
  key: VerifierKey;
  keyFile: string;
}

/** Creates an administrator as an operator would. */
export async function createCheckerAccount(fleet: Fleet): Promise<CheckerAccount> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/admin.ts')], {
    env: { ...process.env, DATA: fleet.dataDir, EMAIL: 'chaos@example.com' },
  });
  const [, userId = ''] = /^admin .*\(([0-9a-f-]{36})\)$/m.exec(stdout) ?? [];
  const [, token = ''] = /^token +(\S+)/m.exec(stdout) ?? [];
  const keyFile = join(fleet.dataDir, 'audit-key.pub');
  return {
    userId,
    token,
    keyFile,
    key: parseVerifierKey((await readFile(keyFile, 'utf8')).trim()),
  };
}
