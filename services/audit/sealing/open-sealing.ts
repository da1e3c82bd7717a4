import type { LogKeys } from '@muniment/audit-key';
import type { BaseContext } from '../context.ts';
import { createCheckpointPublisher } from './checkpoint-publisher.ts';
import { createCheckpointSigner } from './checkpoint-signer.ts';
import { measureSealer } from './sealer-metrics.ts';
import { checkSealer, createSealer, type Sealer } from './sealer.ts';

/** Opens what seals stored events and signs the log. It starts with listening. */
export function openSealing(
  { data: { db }, audit: { activity }, bucket, http, jobs, health, metrics, config }: BaseContext,
  keys: LogKeys,
): Sealer {
  const signer = createCheckpointSigner({ db, keys, origin: config.AUDIT_ORIGIN });
  const lockDays = config.AUDIT_CHECKPOINT_LOCK_DAYS;
  const sealer = createSealer({
    db,
    replica: config.REPLICA,
    log: http.log,
    signer,
    publisher: createCheckpointPublisher({ db, bucket, signer, lockDays }),
    leaseTtlMs: config.SEALER_LEASE_TTL_MS,
    pollMs: config.SEALER_POLL_MS,
    checkpointMs: config.AUDIT_CHECKPOINT_MS,
    isResting: activity.isResting,
  });
  activity.onWork(sealer.wake);
  health.add({ name: 'sealer', critical: false, check: async () => checkSealer(sealer.status()) });
  measureSealer(sealer, metrics);
  jobs.add({ name: 'sealer', ...sealer });
  return sealer;
}
