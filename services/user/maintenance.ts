import { repeat } from '@muniment/server';
import { deleteExpiredApiTokens } from './api-tokens/api-token-queries.ts';
import type { UserContext } from './context.ts';
import { deleteUnusedHashCosts } from './foreign-hashes/foreign-hash-queries.ts';
import { deleteDeadMails } from './mail/mail-outbox-queries.ts';
import {
  deleteExpiredRefreshTokens,
  wipeSealedChildren,
} from './sessions/refresh-token-queries.ts';
import { deleteExpiredRevocations, saveTokenLifetime } from './sessions/revocation-queries.ts';
import { deleteEndedSessions } from './sessions/session-queries.ts';
import { rotateKeys } from './signing-keys/rotate-signing-keys.ts';
import { recordStatusChangesLoop } from './users/record-status-changes.ts';
import { deleteExpiredEmailChanges } from './verification/email-change-queries.ts';
import { deleteExpiredRecoveries } from './verification/recovery-queries.ts';

const WIPE_PAUSE_MS = 5_000;
const DELETE_PAUSE_MS = 10 * 60_000;

/** Adds the idempotent loops that wipe, delete and rotate on every replica. */
export function startMaintenance(context: UserContext): void {
  const {
    config,
    data: { db },
    http: { log },
    jobs,
  } = context;
  const onError = (error: unknown): void =>
    log.warn({ err: error }, 'maintenance of identity failed; it is tried again');
  jobs.add(repeat('sealed refresh tokens', WIPE_PAUSE_MS, () => wipeSealedChildren(db), onError));
  jobs.add(recordStatusChangesLoop(context, onError));
  if (config.SIGNING_KEY_ROTATION_DAYS > 0)
    jobs.add(repeat('signing keys', DELETE_PAUSE_MS, () => rotateDueKey(context), onError));
  jobs.add(repeat('old sessions', DELETE_PAUSE_MS, () => deleteExpired(context), onError));
}

async function rotateDueKey(context: UserContext): Promise<void> {
  const { config, http } = context;
  const rotation = await rotateKeys(context, { afterDays: config.SIGNING_KEY_ROTATION_DAYS });
  if (rotation) http.log.info(rotation, 'signing key rotated');
}

async function deleteExpired({ config, data: { db } }: UserContext): Promise<void> {
  await deleteExpiredRefreshTokens(db);
  await deleteEndedSessions(db);
  await deleteExpiredRecoveries(db);
  await deleteExpiredEmailChanges(db);
  await deleteDeadMails(db);
  await deleteExpiredApiTokens(db);
  await deleteUnusedHashCosts(db);
  await saveTokenLifetime(db, config.ACCESS_TOKEN_TTL_S);
  await deleteExpiredRevocations(db);
}
