import { createEventRecorder } from '@muniment/audit-events';
import { repeat, type BackgroundLoop } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { consumeStatusChanges } from './status-change-queries.ts';
import { statusChangedBySql } from './user-events.ts';

const PAUSE_MS = 1_000;
const BATCH_SIZE = 100;

type RecordingContext = Pick<UserContext, 'data' | 'crypto'>;

/** Records what an operator's SQL has ended: no request could. */
export function recordStatusChangesLoop(
  context: RecordingContext,
  onError: (error: unknown) => void,
): BackgroundLoop {
  return repeat(
    'status changes',
    PAUSE_MS,
    async () => {
      while ((await recordStatusChanges(context)) === BATCH_SIZE);
    },
    onError,
  );
}

/** Records waiting changes, each once over all replicas. @returns how many */
export async function recordStatusChanges({ data, crypto }: RecordingContext): Promise<number> {
  const { subjectKeys } = crypto;
  const record = createEventRecorder({ source: 'user', schema: 'identity', subjectKeys });
  return data.db.transaction().execute(async (trx) => {
    const changes = await consumeStatusChanges(trx, BATCH_SIZE);
    for (const change of changes) await record(trx, statusChangedBySql(change));
    return changes.length;
  });
}
