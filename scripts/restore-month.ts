/**
 * `make restore MONTH=2026_03 [DAYS=30]`: brings an archived month of the trail back into the database of the running local fleet, verified. Elsewhere
 * the audit service's own environment serves: `MONTH=2026_03 node scripts/restore-month.ts` where no DATA/fleet.json is.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildApp } from '../services/audit/app.ts';
import { readConfig } from '../services/audit/config.ts';
import { openRetention } from '../services/audit/retention/open-retention.ts';
import { restoreMonth } from '../services/audit/retention/restore.ts';

const KEEP_DAYS = 30;

async function environment(): Promise<NodeJS.ProcessEnv> {
  const text = await readFile(join(process.env.DATA ?? '.data', 'fleet.json'), 'utf8').catch(
    () => undefined,
  );
  if (text === undefined) return process.env;
  const fleet = JSON.parse(text) as { environments?: { audit?: Record<string, string> } };
  if (!fleet.environments?.audit) throw new Error('the fleet has no audit service');
  return fleet.environments.audit;
}

try {
  const month = process.env.MONTH ?? '';
  if (!/^\d{4}_(0[1-9]|1[0-2])$/.test(month)) throw new Error('say which: MONTH=2026_03');
  const days = Number(process.env.DAYS || KEEP_DAYS);
  if (!Number.isInteger(days) || days < 1 || days > 3_650)
    throw new Error('DAYS is a whole number from 1 to 3650');
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
      throw new Error(
        'AUDIT_RETENTION_DATABASE_URL is not set: there is no role that could bring it back',
      );
    try {
      const { rows, unreadable } = await restoreMonth(retention.options, month, days);
      console.log(
        `${month}: ${rows} events are back, each as it was sealed; they stay for ${days} days at least`,
      );
      if (unreadable > 0)
        console.log(
          `${unreadable} of them without personal values: their subjects are erased, or their keys past their time`,
        );
    } finally {
      await retention.close();
    }
  } finally {
    await server.app.close();
  }
} catch (error) {
  console.error(`make restore: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
