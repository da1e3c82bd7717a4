import { clientNetwork } from '@muniment/security';
import type { Counted, RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';
import {
  detectStuffing,
  refundStuffingFailure,
  type StuffingContext,
} from './credential-stuffing.ts';

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
  /** The id of a device that the account knows. */
  device: string | undefined;
  /** Called at the first refusal of each limit and window. */
  onFirstRefusal(): Promise<unknown>;
}

/**
 * Counts a login attempt before its outcome. Each known device has its own limits, so neither an
 * attacker nor another device can lock the owner out.
 * @throws RateLimited
 */
export async function consumeLoginAttempt(
  context: StuffingContext & Pick<UserContext, 'http'>,
  request: RequestContext,
  { emailKey, device, onFirstRefusal }: CountedLogin,
): Promise<LoginAttempt> {
  const { limits, http } = context;
  const counted: Counted[] =
    device === undefined
      ? [...strangersLimits(emailKey), ['login_network', clientNetwork(request.ip)]]
      : [
          ['login_device', device],
          ['login_devices_day', device],
        ];
  const consumed = await limits.consume(counted, onFirstRefusal);
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

/** What all unknown devices share. */
const strangersLimits = (emailKey: string): Counted[] => [
  ['login_account', emailKey],
  ['login_account_day', emailKey],
];

/**
 * Gives unknown devices all attempts back once a mail has proved the owner. What strangers have
 * failed before must not refuse the new password.
 */
export const restoreLoginAttempts = (
  { limits }: Pick<UserContext, 'limits'>,
  emailKey: string,
): Promise<void> => limits.restore(strangersLimits(emailKey));
