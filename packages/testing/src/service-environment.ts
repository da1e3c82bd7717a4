import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateMasterKey } from '@muniment/master-key';
import type { Teardown } from './teardown.ts';
import { temporaryFolder } from './temporary-folder.ts';

const GATEWAY_SECRET = 'the-gateway-secret-of-every-service-in-a-test';
const METRICS_TOKEN = 'the-metrics-token-of-every-service-in-a-test';

/** A request with these comes from the gateway: its X-Forwarded-For and so on are believed. */
export const GATEWAY_HEADERS = { 'x-gateway-secret': GATEWAY_SECRET };
/** A request for the metrics, as Prometheus sends it. */
export const SCRAPE = { url: '/metrics', headers: { authorization: `Bearer ${METRICS_TOKEN}` } };

/** The settings that every service needs. No server listens at its stream. */
export async function serviceEnvironment(
  t: Teardown,
  { databaseUrl, masterKey = generateMasterKey() }: { databaseUrl: string; masterKey?: string },
): Promise<Record<string, string>> {
  const folder = await temporaryFolder(t);
  async function file(name: string, text: string): Promise<string> {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  }
  return {
    PORT: '0',
    LOG_LEVEL: 'silent',
    // Only tests of limits turn them on.
    LIMITS: 'off',
    // Zero, because a busy machine delays the test's own event loop.
    EVENT_LOOP_MAX_DELAY_MS: '0',
    MASTER_KEY_FILE: await file('master.key', masterKey),
    GATEWAY_SECRET_FILE: await file('gateway-secret', GATEWAY_SECRET),
    METRICS_TOKEN_FILE: await file('metrics-token', METRICS_TOKEN),
    DATABASE_URL: databaseUrl,
    KINESIS_ENDPOINT: 'http://127.0.0.1:9',
    AWS_ACCESS_KEY_ID: 'test-access-key',
    AWS_SECRET_ACCESS_KEY: 'test-secret-key',
  };
}
