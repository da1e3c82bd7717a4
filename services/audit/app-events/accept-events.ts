import type { Transaction } from 'kysely';
import {
  canonicalJson,
  composeEvent,
  insertOutboxRows,
  type OutboxRow,
  type SubjectKey,
} from '@muniment/audit-events';
import { uuidv7 } from '@muniment/database';
import { retryConflicts } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { EventIdReused, EventTooLarge } from '../errors.ts';
import {
  claimEvents,
  findClaimed,
  deleteFingerprints,
  type ClaimedEvent,
  type EventClaim,
} from './app-event-queries.ts';
import type { KeyedHash } from '../search/search-terms.ts';
import type { Tables } from '../tables.ts';
import { actionName, metadataOf, personalValuesOf, subjectOf, type AppEvent } from './app-event.ts';
import type { EventsBody, Fault } from './check-body.ts';

/** By whom and in which request events are recorded. */
export interface Recorder {
  userId: string;
  requestId: string;
  traceparent: string | null;
}

export interface AcceptedEvent {
  /** The caller's. */
  id: string;
  /** Ours. */
  event_id: string;
  status: 'created' | 'duplicate';
}

interface Incoming extends EventClaim {
  index: number;
  event: AppEvent;
  fingerprint: Buffer;
}

/** The name of the key of a tenant's subject. What the caller knows them by may be an address or a name, so it is no part of it. */
export const subjectName = (keyed: KeyedHash, tenantId: string, subject: string): string =>
  `app:${keyed('app-subject', tenantId, subject).toString('base64url')}`;

function incoming(keyed: KeyedHash, events: readonly AppEvent[], now: number): Incoming[] {
  return events.map((event, index) => {
    const subject = subjectOf(event);
    return {
      index,
      event,
      tenant_id: event.tenant_id,
      caller_id: event.id,
      event_id: uuidv7(now),
      subject: subject === undefined ? null : subjectName(keyed, event.tenant_id, subject),
      fingerprint: keyed('app-event', canonicalJson(event)),
    };
  });
}

const callerKey = ({ tenant_id, caller_id }: Pick<EventClaim, 'tenant_id' | 'caller_id'>): string =>
  `${tenant_id}\0${caller_id}`;
const byCallerKey = (one: EventClaim, other: EventClaim): number =>
  callerKey(one) < callerKey(other) ? -1 : 1;

/** What each id stands for after this: the event that came first, in this request or long ago. */
async function claim(
  trx: Transaction<Tables>,
  events: readonly Incoming[],
): Promise<Map<string, ClaimedEvent & { isNew: boolean }>> {
  const firsts = new Map<string, Incoming>();
  for (const event of events)
    if (!firsts.has(callerKey(event))) firsts.set(callerKey(event), event);
  const claims = [...firsts.values()].sort(byCallerKey);
  const made = await claimEvents(trx, claims);
  const known = claims.filter(({ event_id }) => !made.has(event_id));
  const found = known.length === 0 ? [] : await findClaimed(trx, known);
  const standing = [
    ...claims
      .filter(({ event_id }) => made.has(event_id))
      .map((event) => ({ ...event, isNew: true })),
    ...found.map((event) => ({ ...event, isNew: false })),
  ];
  return new Map(standing.map((event) => [callerKey(event), event]));
}

function compose(
  { event, event_id: id, subject }: Incoming,
  keys: ReadonlyMap<string, SubjectKey>,
  recorder: Recorder,
  now: Date,
): OutboxRow {
  return composeEvent({
    id,
    source: 'app',
    // Nobody's events of a tenant keep their order among themselves.
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
    metadata: metadataOf(event, recorder.userId),
    personal: personalValuesOf(event),
  });
}

/** Whether `event` is another event under an id that stands for one already. */
const isAnother = (event: Incoming, standing: ClaimedEvent | undefined): boolean =>
  standing !== undefined &&
  standing.fingerprint !== null &&
  !standing.fingerprint.equals(event.fingerprint);

function refusal(
  error: Error,
  batch: boolean,
  faults: readonly (Fault & { index: number })[],
): Error {
  const validation = faults.map(({ index, instancePath, message }) => ({
    params: {},
    instancePath: `${batch ? `/events/${index}` : ''}${instancePath}`,
    message,
  }));
  return Object.assign(error, { validation, validationContext: 'body' });
}

/**
 * Takes a customer's own events, all of them or none: claimed by their ids and put into the outbox of the source `app` in one transaction, after
 * which whatever dies, they will be sealed. An event whose id is known is not taken again, and is answered with the event that it is.
 * @throws event_id_reused where an id stands for an event of another content, validation_failed where an event is too large
 */
export async function acceptEvents(
  { db, subjectKeys, searchTerms }: Pick<AuditContext, 'db' | 'subjectKeys' | 'searchTerms'>,
  body: EventsBody,
  recorder: Recorder,
): Promise<AcceptedEvent[]> {
  const now = new Date();
  const events = incoming(await searchTerms.loadKeyedHash(), body.events, now.getTime());
  return retryConflicts(() =>
    db.transaction().execute(async (trx) => {
      const standing = await claim(trx, events);
      const reused = events.filter((event) => isAnother(event, standing.get(callerKey(event))));
      if (reused.length > 0)
        throw refusal(
          new EventIdReused(),
          body.batch,
          reused.map(({ index }) => ({
            index,
            instancePath: '/id',
            message: 'stands for an event with another content',
          })),
        );

      const isNew = ({ event_id }: Incoming): boolean => fresh.has(event_id);
      const fresh = new Set(
        [...standing.values()].filter((event) => event.isNew).map(({ event_id }) => event_id),
      );
      const taken = events.filter(isNew);
      const keys = await subjectKeys.forNames(
        trx,
        taken.flatMap(({ subject }) => (subject === null ? [] : [subject])),
      );
      // The erased leave no fingerprints.
      for (const subject of new Set(taken.map((event) => event.subject)))
        if (subject !== null && !keys.has(subject)) await deleteFingerprints(trx, subject);
      const rows: OutboxRow[] = [];
      const large: (Fault & { index: number })[] = [];
      for (const event of taken) {
        try {
          rows.push(compose(event, keys, recorder, now));
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          large.push({
            index: event.index,
            instancePath: '',
            message: 'has more than 16 KiB in its canonical form',
          });
        }
      }
      if (large.length > 0) throw refusal(new EventTooLarge(), body.batch, large);
      if (rows.length > 0) await insertOutboxRows(trx, 'app', rows);
      return events.map((event) => ({
        id: event.caller_id,
        event_id: standing.get(callerKey(event))?.event_id ?? event.event_id,
        status: isNew(event) ? 'created' : 'duplicate',
      }));
    }),
  );
}
