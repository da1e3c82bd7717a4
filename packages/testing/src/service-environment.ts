import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateMasterKey } from '@muniment/master-key';
import type { Teardown } from './teardown.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** The settings that every service needs. No server listens at its stream. */
export async function serviceEnvironment(
  t: Teardown,
  { databaseUrl, masterKey = generateMasterKey() }: { databaseUrl: string; masterKey?: string },
): Promise<Record<string, string>> {
  const masterKeyFile = join(await temporaryFolder(t), 'master.key');
  await writeFile(masterKeyFile, masterKey);
  return {
    PORT: '0',
    LOG_LEVEL: 'silent',
    // Only tests of limits turn them on.
    LIMITS: 'off',
    // Zero, because a busy machine delays the test's own event loop.
    EVENT_LOOP_MAX_DELAY_MS: '0',
    MASTER_KEY_FILE: masterKeyFile,
    DATABASE_URL: databaseUrl,
    KINESIS_ENDPOINT: 'http://127.0.0.1:9',
    AWS_ACCESS_KEY_ID: 'test-access-key',
    AWS_SECRET_ACCESS_KEY: 'test-secret-key',
  };
}
