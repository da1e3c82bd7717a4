import { repeat } from '@muniment/server';
import type { UserContext } from './context.ts';
import { rotateKeys } from './signing-keys/rotate-signing-keys.ts';
import { deleteExpiredEmailChanges } from './verification/email-change-queries.ts';
import { deleteDeadMails } from './mail/mail-outbox-queries.ts';
import { deleteExpiredRecoveries } from './verification/recovery-queries.ts';
import { deleteExpiredApiTokens } from './api-tokens/api-token-queries.ts';
import {
  deleteExpiredRefreshTokens,
  wipeSealedChildren,
} from './sessions/refresh-token-queries.ts';
import { deleteExpiredRevocations, saveTokenLifetime } from './sessions/revocation-queries.ts';
import { deleteEndedSessions } from './sessions/session-queries.ts';

const SEALED_PAUSE_MS = 5_000;
const OLD_PAUSE_MS = 10 * 60_000;

/** Wipes what must not lie around: sealed tokens after seconds, tokens and sessions that ended after days, revocations once they no longer count; and has signing keys take turns. Every replica may do it; nothing is done twice. */
export function startMaintenance(server: UserContext): void {
  const { background, config, db, log } = server;
  const failed = (error: unknown): void =>
    log.warn({ err: error }, 'upkeep of identity failed; it is tried again');
  background(
    repeat('sealed refresh tokens', SEALED_PAUSE_MS, () => wipeSealedChildren(db), failed),
  );
  if (config.SIGNING_KEY_ROTATION_DAYS > 0) {
    background(
      repeat(
        'signing keys',
        OLD_PAUSE_MS,
        async () => {
          const rotation = await rotateKeys(server, {
            afterDays: config.SIGNING_KEY_ROTATION_DAYS,
          });
          if (rotation) log.info(rotation, 'signing key rotated');
        },
        failed,
      ),
    );
  }
  background(
    repeat(
      'old sessions',
      OLD_PAUSE_MS,
      async () => {
        await deleteExpiredRefreshTokens(db);
        await deleteEndedSessions(db);
        await deleteExpiredRecoveries(db);
        await deleteExpiredEmailChanges(db);
        await deleteDeadMails(db);
        await deleteExpiredApiTokens(db);
        await saveTokenLifetime(db, config.ACCESS_TOKEN_TTL_S);
        await deleteExpiredRevocations(db);
      },
      failed,
    ),
  );
}
