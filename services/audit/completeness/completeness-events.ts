import type { RequestEvent } from '@muniment/server';
import type { NumberRange } from './declared-lost-queries.ts';

/** The trail itself says what it lacks, and who has declared it. */
export const eventsDeclaredLost = ({ source, lane, from, to }: NumberRange): RequestEvent => ({
  action: 'EVENTS_DECLARED_LOST',
  resource: `${source}/${lane}/${from}-${to}`,
  resource_type: 'event_numbers',
  metadata: { source, lane, from, to },
});
