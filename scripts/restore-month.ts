/**
 * `make restore MONTH=2026_03 [DAYS=30]`: verifies an archived month of the trail and restores it.
 * Without DATA/fleet.json it uses the audit service's own environment.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildApp } from '../services/audit/app.ts';
import { readConfig } from '../services/audit/config.ts';
import { openRetention } from '../services/audit/retention/open-retention.ts';
import { restoreMonth } from '../services/audit/retention/restore.ts';

const DEFAULT_DAYS = 30;
const MAX_DAYS = 3_650;

async function environment(): Promise<NodeJS.ProcessEnv> {
  const text = await readFile(join(process.env.DATA ?? '.data', 'fleet.json'), 'utf8').catch(
    () => undefined,
  );
  if (text === undefined) return process.env;
  const fleet = JSON.parse(text) as { environments?: { audit?: Record<string, string> } };
  if (!fleet.environments?.audit) throw new Error('The fleet has no audit service.');
  return fleet.environments.audit;
}

try {
  const month = process.env.MONTH ?? '';
  if (!/^\d{4}_(0[1-9]|1[0-2])$/.test(month)) throw new Error('MONTH is not a month like 2026_03.');
  const days = Number(process.env.DAYS || DEFAULT_DAYS);
  if (!Number.isInteger(days) || days < 1 || days > MAX_DAYS)
    throw new Error(`DAYS is not a whole number from 1 to ${MAX_DAYS}.`);
  const server = await buildApp(
    readConfig({
      ...(await environment()),
      REPLICA: `restore-${process.pid}`,
      LOG_LEVEL: 'warn',
      DATABASE_POOL_MAX: '2',
    }),
  );
  try {
    const retention = await openRetention(server);
    if (!retention)
      throw new Error('AUDIT_RETENTION_DATABASE_URL is not set. Only its role may restore.');
    try {
      const { rows, unreadable } = await restoreMonth(retention.options, month, days);
      console.log(
        `${month}: ${rows} events are restored as they were sealed, for at least ${days} days.`,
      );
      if (unreadable > 0)
        console.log(
          `${unreadable} of them lack personal values: their subjects are erased, ` +
            'or their keys are deleted.',
        );
    } finally {
      await retention.close();
    }
  } finally {
    await server.http.app.close();
  }
} catch (error) {
  console.error(`make restore: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
