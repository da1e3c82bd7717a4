import type { FastifyRequest } from 'fastify';
import { uuidv7 } from '@muniment/database';
import { clientNetwork } from '@muniment/security';
import type { UserContext } from '../context.ts';
import { findKnownDevice, readDevices } from '../sign-in/device-tokens.ts';
import { parseEmail } from '../users/email-address.ts';
import { findDeviceUsers } from '../users/user-queries.ts';
import { insertRecoveryRequest } from '../verification/recovery-queries.ts';
import { recoveryRateLimited, recoveryRequested } from './password-events.ts';
import { sealRecoveryRequest } from './recovery-request.ts';

export type RecoveryContext = Pick<
  UserContext,
  'audit' | 'auth' | 'crypto' | 'data' | 'limits' | 'mail'
>;

/**
 * Stores a recovery request without a lookup: time must not reveal accounts (OWASP ASVS 6.3.8).
 * @throws EmailMalformed, RateLimited
 */
export async function requestRecovery(
  context: RecoveryContext,
  request: FastifyRequest,
  wanted: { email: string; device_token?: string },
): Promise<void> {
  const { audit, crypto, data, limits, mail } = context;
  const address = parseEmail(wanted.email);
  const { emailKey } = address;
  // Known devices have their own limit, as at a login.
  const device = await findDeviceOf(context, request, {
    emailKey,
    deviceToken: wanted.device_token,
  });
  await limits.consume(
    [
      device === undefined ? ['recovery_account', emailKey] : ['recovery_device', device],
      ['recovery_network', clientNetwork(request.ip)],
    ],
    () => audit.record(request, recoveryRateLimited(address)),
  );
  const id = uuidv7(Date.now());
  const sealed = await sealRecoveryRequest(crypto.masterKey, id, {
    emailKey,
    locale: mail.languages.choose(request.headers['accept-language']),
    context: {
      id: request.id,
      ip: request.ip,
      traceparent: request.traceparent,
      userAgent: request.headers['user-agent'] ?? null,
    },
  });
  await data.inTransaction(request, async (trx, record) => {
    await insertRecoveryRequest(trx, id, sealed);
    await record(recoveryRequested(address));
  });
}

/** Looks up the tokens' accounts, never the address: time tells nothing of other accounts. */
async function findDeviceOf(
  context: Pick<UserContext, 'auth' | 'data' | 'limits'>,
  request: FastifyRequest,
  { emailKey, deviceToken }: { emailKey: string; deviceToken: string | undefined },
): Promise<string | undefined> {
  const devices = readDevices(context, request, deviceToken);
  if (devices.length === 0) return undefined;
  const ids = devices.map(({ userId }) => userId);
  const users = await findDeviceUsers(context.data.db, ids);
  return findKnownDevice(
    devices,
    users.find((user) => user.email_key === emailKey),
  );
}
