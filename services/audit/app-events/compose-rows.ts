import { composeEvent, type OutboxRow, type SubjectKey } from '@muniment/audit-events';
import { EventTooLarge } from '../errors.ts';
import { actionName, metadataOf, personalValuesOf } from './app-event.ts';
import type { EventsBody } from './check-body.ts';
import type { IncomingEvent } from './identify-events.ts';
import { createRefusal, type EventFault } from './refusal.ts';

/** Who records events, and in which request. */
export interface Recorder {
  userId: string;
  /** Absent in a session. */
  apiTokenId?: string | undefined;
  requestId: string;
  traceparent: string | null;
}

export interface Composition {
  keys: ReadonlyMap<string, SubjectKey>;
  recorder: Recorder;
  now: Date;
}

/** Composes the outbox rows of new events. @throws EventTooLarge, which names each large event */
export function composeRows(
  body: EventsBody,
  events: readonly IncomingEvent[],
  composition: Composition,
): OutboxRow[] {
  const rows: OutboxRow[] = [];
  const faults: EventFault[] = [];
  for (const event of events) {
    try {
      rows.push(composeRow(event, composition));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      faults.push(sizeFault(event));
    }
  }
  if (faults.length > 0) throw createRefusal(new EventTooLarge(), body, faults);
  return rows;
}

function composeRow(
  { event, event_id: id, subject }: IncomingEvent,
  { keys, recorder, now }: Composition,
): OutboxRow {
  return composeEvent({
    id,
    source: 'app',
    // A tenant's events without a subject share a lane, so they keep their order.
    laneSubject: subject ?? `app:${event.tenant_id}`,
    key: subject === null ? undefined : keys.get(subject),
    now,
    tenant_id: event.tenant_id,
    action: actionName(event.action),
    outcome: event.outcome,
    resource: event.resource ?? null,
    resource_type: event.resource_type ?? null,
    error: event.error ?? null,
    request_id: recorder.requestId,
    traceparent: recorder.traceparent,
    metadata: metadataOf(event, recorder),
    personal: personalValuesOf(event),
  });
}

const sizeFault = ({ index }: IncomingEvent): EventFault => ({
  index,
  instancePath: '',
  message: 'has more than 16 KiB in its canonical form',
});
