import type { Transaction } from 'kysely';
import type { Tables } from '../tables.ts';
import {
  findClaims,
  insertClaims,
  type CallerId,
  type ClaimedEvent,
  type EventClaim,
} from './app-event-queries.ts';

/** What the callers' ids of a request stand for. */
export interface Claims {
  /** The event of an id: the first one with it, in this request or an earlier one. */
  of(event: CallerId): ClaimedEvent | undefined;
  /** Whether an event claimed its id now. */
  isNew(event: Pick<EventClaim, 'event_id'>): boolean;
}

/** Claims the callers' ids of events, each for the first event with it. */
export async function claimEvents(
  trx: Transaction<Tables>,
  events: readonly EventClaim[],
): Promise<Claims> {
  const firsts = new Map<string, EventClaim>();
  for (const event of events) {
    const key = callerKey(event);
    if (!firsts.has(key)) firsts.set(key, event);
  }
  const claims = [...firsts.values()].toSorted(byCallerKey);
  const newIds = await insertClaims(trx, claims);
  const isNew = ({ event_id }: Pick<EventClaim, 'event_id'>): boolean => newIds.has(event_id);
  const known = claims.filter((event) => !isNew(event));
  const found = known.length === 0 ? [] : await findClaims(trx, known);
  const claimed = new Map<string, ClaimedEvent>();
  for (const event of [...claims.filter(isNew), ...found]) claimed.set(callerKey(event), event);
  return { of: (event) => claimed.get(callerKey(event)), isNew };
}

const callerKey = ({ tenant_id, caller_id }: CallerId): string => `${tenant_id}\0${caller_id}`;

/** One order everywhere, so that two transactions never wait for each other. */
const byCallerKey = (one: CallerId, other: CallerId): number =>
  callerKey(one) < callerKey(other) ? -1 : 1;
