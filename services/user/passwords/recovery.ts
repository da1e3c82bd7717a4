import type { FastifyRequest } from 'fastify';
import { uuidv7 } from '@muniment/database';
import { repeat, type RequestContext } from '@muniment/server';
import { clientNetwork } from '@muniment/security';
import type { UserContext } from '../context.ts';
import type { EmailAddress } from '../users/email-address.ts';
import { findKnownDevice } from '../sign-in/device-tokens.ts';
import { createLinkToken } from '../verification/link-tokens.ts';
import { queueMail } from '../mail/queue-mail.ts';
import {
  claimDueRequests,
  deleteRecoveryRequest,
  insertRecoveryRequest,
  lockRecoverableUser,
  replaceResetToken,
  type RecoveryRequestRow,
} from '../verification/recovery-queries.ts';
import { findUserByEmailKey } from '../users/user-queries.ts';

/** A request as it waits to be worked off. */
interface RecoveryRequest {
  emailKey: string;
  locale: string;
  context: Pick<RequestContext, 'id' | 'ip' | 'traceparent'> & { userAgent: string | null };
}

const AT_ONCE = 20;
/** In one round: a stop waits for its end. */
const BATCHES = 20;
/** Until a request comes back whose replica died, or failed. */
const AGAIN_MS = 30_000;

const contextOf = (id: string): string => `recovery-request:${id}`;

/** Another replica has worked the request off. */
class WorkedOff extends Error {}

/**
 * Takes down that somebody wants back into the account of an address, and looks nothing up: what is done here is the same for an address that has an account
 * and for one that has none, so neither the answer nor its time tells which it is (OWASP ASVS 6.3.8).
 */
export async function requestRecovery(
  server: UserContext,
  request: FastifyRequest,
  { email, emailKey }: EmailAddress,
  locale: string,
  deviceTokens: readonly string[],
): Promise<void> {
  const { inTransaction, limits, masterKey, recordFor } = server;
  // Strangers use up what strangers have, as at a sign-in.
  const device = findKnownDevice(server, emailKey, deviceTokens);
  await limits.consume(
    [
      device === undefined ? ['recovery_account', emailKey] : ['recovery_device', device],
      ['recovery_network', clientNetwork(request.ip)],
    ],
    () =>
      recordFor(request, {
        action: 'PASSWORD_RESET_REQUESTED',
        outcome: 'failure',
        error: 'rate_limited',
        subject: { address: emailKey },
        personal: { email },
      }),
  );
  const id = uuidv7(Date.now());
  const wanted: RecoveryRequest = {
    emailKey,
    locale,
    context: {
      id: request.id,
      ip: request.ip,
      traceparent: request.traceparent,
      userAgent: request.headers['user-agent'] ?? null,
    },
  };
  const wrapped = await masterKey.wrap(Buffer.from(JSON.stringify(wanted)), contextOf(id));
  await inTransaction(request, async (trx, record) => {
    await insertRecoveryRequest(trx, id, wrapped);
    await record({
      action: 'PASSWORD_RESET_REQUESTED',
      subject: { address: emailKey },
      personal: { email },
    });
  });
}

/** Makes the token and the mail for an account that may have them. @throws WorkedOff */
async function issueToken(
  server: UserContext,
  id: string,
  userId: string,
  { locale, context }: RecoveryRequest,
): Promise<void> {
  const request: RequestContext = {
    id: context.id,
    ip: context.ip,
    headers: { 'user-agent': context.userAgent ?? undefined },
    principal: null,
    traceparent: context.traceparent,
  };
  const { token, hash } = createLinkToken('reset_password');
  await server.inTransaction(request, async (trx, record) => {
    // The account before the request, in the order in which everything locks that ends in a mail.
    const user = await lockRecoverableUser(trx, userId);
    if (!(await deleteRecoveryRequest(trx, id)) || !user) throw new WorkedOff();
    await replaceResetToken(trx, userId, {
      tokenHash: hash,
      ttlSeconds: server.config.RESET_TOKEN_TTL_S,
    });
    await queueMail(trx, server.masterKey, {
      userId,
      template: 'reset_password',
      locale,
      to: user.email,
      values: { email: user.email },
      token,
      resetToken: hash,
    });
    // By whom, nobody knows; the owner sees that somebody asked, and from where.
    await record({
      action: 'CODE_SENT',
      subject: { userId },
      personal: { email: user.email },
      resource: userId,
      resource_type: 'user',
      metadata: { purpose: 'reset_password', channel: 'mail' },
    });
  });
}

async function workOff(
  server: UserContext,
  { id, wrapped_request: wrapped }: RecoveryRequestRow,
): Promise<void> {
  const wanted = JSON.parse(
    (await server.masterKey.unwrap(wrapped, contextOf(id))).toString(),
  ) as RecoveryRequest;
  const user = await findUserByEmailKey(server.db, wanted.emailKey);
  try {
    // Without an account or with one that is suspended, nothing is sent to anybody. One that an administrator made gets its first password so.
    if (user?.status !== 'active') await deleteRecoveryRequest(server.db, id);
    else await issueToken(server, id, user.id, wanted);
  } catch (error) {
    if (!(error instanceof WorkedOff)) throw error;
  }
}

/**
 * Works off the requests, on every replica. By the clock and not when one comes: else what the replica does behind an answer would slow the caller's next
 * request, and tell after all whether there was something to do.
 */
export function startRecoveries(server: UserContext): void {
  const { db, config, log } = server;
  server.background(
    repeat(
      'recovery requests',
      config.MAIL_POLL_MS,
      async () => {
        for (let batch = 0; batch < BATCHES; batch += 1) {
          const rows = await claimDueRequests(db, AT_ONCE, AGAIN_MS);
          for (const row of rows) {
            await workOff(server, row).catch((error: unknown) =>
              log.warn(
                { err: error, recovery_request: row.id },
                'a recovery request could not be worked off; it is tried again',
              ),
            );
          }
          if (rows.length < AT_ONCE) return;
        }
      },
      (error) => log.warn({ err: error }, 'recovery requests could not be read; it is tried again'),
    ),
  );
}
