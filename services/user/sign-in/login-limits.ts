import { clientNetwork } from '@muniment/security';
import type { Consumed, RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import {
  detectStuffing,
  refundStuffingFailure,
  type StuffingContext,
} from './credential-stuffing.ts';
import { findKnownDevice } from './device-tokens.ts';

/** A login attempt, counted before its outcome so parallel guesses all count. */
export interface LoginAttempt {
  /** Leaves it counted, and looks for credential stuffing. */
  failed(): Promise<void>;
  /** Refunds it, and offsets one failure in the ratio that shows credential stuffing. */
  succeeded(): Promise<void>;
  /** Refunds an attempt that an outage or overload left undecided. */
  refund(): Promise<void>;
}

interface CountedLogin {
  emailKey: string;
  deviceTokens: readonly string[];
  /** Called at the first refusal of each limit and window. */
  onFirstRefusal(): Promise<unknown>;
}

/**
 * Counts a login attempt before its outcome. Known devices have their own limit, so an attacker
 * cannot lock the owner out.
 * @throws RateLimited
 */
export async function consumeLoginAttempt(
  context: StuffingContext & Pick<UserContext, 'http'>,
  request: RequestContext,
  { emailKey, deviceTokens, onFirstRefusal }: CountedLogin,
): Promise<LoginAttempt> {
  const { limits, http } = context;
  const consumed =
    (await consumeDeviceLimits(context, emailKey, deviceTokens)) ??
    (await limits.consume(
      [
        ['login_account', emailKey],
        ['login_account_day', emailKey],
        ['login_network', clientNetwork(request.ip)],
      ],
      onFirstRefusal,
    ));
  /** The outcome is recorded, so a failure to count changes no answer. */
  const logFailure = (counting: Promise<void>): Promise<void> =>
    counting.catch((error: unknown) =>
      http.log.warn({ err: error }, 'the outcome of a login was not counted'),
    );
  return {
    failed: () => logFailure(detectStuffing(context, request, emailKey)),
    async succeeded() {
      await consumed.refund();
      await logFailure(refundStuffingFailure(context));
    },
    refund: () => consumed.refund(),
  };
}

/** Undefined for unknown devices, and for known ones that have exceeded their limit. */
async function consumeDeviceLimits(
  context: Pick<UserContext, 'limits'>,
  emailKey: string,
  deviceTokens: readonly string[],
): Promise<Consumed | undefined> {
  const device = findKnownDevice(context, emailKey, deviceTokens);
  if (device === undefined) return undefined;
  try {
    return await context.limits.consume([
      ['login_device', device],
      ['login_devices_day', emailKey],
    ]);
  } catch (error) {
    if (isRateLimited(error)) return undefined;
    throw error;
  }
}

const isRateLimited = (error: unknown): boolean =>
  error instanceof Error && 'statusCode' in error && error.statusCode === 429;
