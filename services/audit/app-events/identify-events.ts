import { canonicalJson } from '@muniment/audit-events';
import { uuidv7 } from '@muniment/database';
import type { KeyedHash } from '../search/search-terms.ts';
import type { EventClaim } from './app-event-queries.ts';
import { subjectOf, type AppEvent } from './app-event.ts';
import { subjectName } from './subject-name.ts';

/** An event of a request with our id, its subject's name and the fingerprint of its content. */
export interface IncomingEvent extends EventClaim {
  index: number;
  event: AppEvent;
  fingerprint: Buffer;
}

export function identifyEvents(
  keyedHash: KeyedHash,
  events: readonly AppEvent[],
  now: Date,
): IncomingEvent[] {
  return events.map((event, index) => {
    const subject = subjectOf(event);
    return {
      index,
      event,
      tenant_id: event.tenant_id,
      caller_id: event.id,
      event_id: uuidv7(now.getTime()),
      subject: subject === undefined ? null : subjectName(keyedHash, event.tenant_id, subject),
      fingerprint: keyedHash('app-event', canonicalJson(event)),
    };
  });
}
