import type { RecordRequestEvent, RequestContext, RequestEvent } from '../audit/transactions.ts';
import { RateLimited } from '../errors.ts';
import type { Limits } from './limits.ts';
import { callerOf } from './caller.ts';

/** What a known caller may not do, and why. */
export interface Denied {
  permission?: string;
  reason: string;
  operation: string;
}

/**
 * Records that a known caller was refused. Counted first, so that no flood fills the trail.
 * @throws RateLimited past the limit, of which the first in a window is recorded
 */
export type RecordDenial = (request: RequestContext, denied: Denied) => Promise<void>;

export const accessDenied = (denied: Denied): RequestEvent => ({
  action: 'ACCESS_DENIED',
  outcome: 'failure',
  metadata: { ...denied },
});

export const accessLimited = (denied: Denied): RequestEvent => ({
  ...accessDenied(denied),
  error: 'rate_limited',
});

export function createRecordDenial(
  limits: Pick<Limits, 'consume'>,
  record: RecordRequestEvent,
): RecordDenial {
  return async (request, denied) => {
    try {
      // By reason: a thief elsewhere must not hide refusals of the owner, nor a foreign page.
      await limits.consume([['denials', `${callerOf(request)}\0${denied.reason}`]], () =>
        record(request, accessLimited(denied)),
      );
    } catch (error) {
      // Answered as an unknown token, also past the limit: a 429 would say that it is known.
      if (denied.reason === 'address' && error instanceof RateLimited) return;
      throw error;
    }
    await record(request, accessDenied(denied));
  };
}
