import { repeat } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { findUserByEmailKey } from '../users/user-queries.ts';
import { createLinkToken } from '../verification/link-tokens.ts';
import {
  claimDueRequests,
  deleteRecoveryRequest,
  insertResetToken,
  lockRecoverableUser,
  type RecoveryRequestRow,
} from '../verification/recovery-queries.ts';
import { resetCodeSent } from './password-events.ts';
import { openRecoveryRequest, requestContextOf, type RecoveryRequest } from './recovery-request.ts';

const BATCH_SIZE = 20;
/** Batches in one round: a stop waits for its end. */
const MAX_BATCHES = 20;
/** How long a replica has a request to itself. */
const LEASE_MS = 30_000;

type ProcessContext = Pick<UserContext, 'config' | 'crypto' | 'data' | 'http'>;

/** Processes recovery requests by the clock: work behind an answer would reveal accounts. */
export function startRecoveries(context: ProcessContext & Pick<UserContext, 'jobs'>): void {
  const { config, http, jobs } = context;
  jobs.add(
    repeat(
      'recovery requests',
      config.MAIL_POLL_MS,
      () => processDueRequests(context),
      (error) =>
        http.log.warn({ err: error }, 'recovery requests could not be read; it is tried again'),
    ),
  );
}

async function processDueRequests(context: ProcessContext): Promise<void> {
  const { data, http } = context;
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const rows = await claimDueRequests(data.db, BATCH_SIZE, LEASE_MS);
    for (const row of rows) {
      await processRequest(context, row).catch((error: unknown) =>
        http.log.warn(
          { err: error, recovery_request: row.id },
          'a recovery request failed; it is tried again',
        ),
      );
    }
    if (rows.length < BATCH_SIZE) return;
  }
}

/** Sends nothing for unknown addresses and inactive accounts. */
async function processRequest(
  context: ProcessContext,
  { id, wrapped_request: wrapped }: RecoveryRequestRow,
): Promise<void> {
  const { db } = context.data;
  const recovery = await openRecoveryRequest(context.crypto.masterKey, id, wrapped);
  const user = await findUserByEmailKey(db, recovery.emailKey);
  if (user?.status !== 'active') {
    await deleteRecoveryRequest(db, id);
    return;
  }
  try {
    await issueToken(context, recovery, { id, userId: user.id });
  } catch (error) {
    if (!(error instanceof AlreadyProcessed)) throw error;
  }
}

/** Another replica was first, or the account is no longer recoverable. */
class AlreadyProcessed extends Error {}

/** Creates the token and queues its mail. @throws AlreadyProcessed */
async function issueToken(
  { config, crypto, data }: ProcessContext,
  recovery: RecoveryRequest,
  { id, userId }: { id: string; userId: string },
): Promise<void> {
  const { token, hash } = createLinkToken('reset_password');
  await data.inTransaction(requestContextOf(recovery), async (trx, record) => {
    // Each transaction that queues a mail locks the account first, else two would deadlock.
    const user = await lockRecoverableUser(trx, userId);
    if (!(await deleteRecoveryRequest(trx, id)) || !user) throw new AlreadyProcessed();
    const ttlSeconds = config.RESET_TOKEN_TTL_S;
    await insertResetToken(trx, userId, { tokenHash: hash, ttlSeconds });
    await queueMail(trx, crypto.masterKey, {
      userId,
      template: 'reset_password',
      locale: recovery.locale,
      to: user.email,
      values: { email: user.email },
      token,
      resetToken: hash,
    });
    await record(resetCodeSent(userId, user.email));
  });
}
