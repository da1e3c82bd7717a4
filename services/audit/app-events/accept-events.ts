import type { Transaction } from 'kysely';
import { insertOutboxRows, type SubjectKey } from '@muniment/audit-events';
import { retryConflicts } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { EventIdReused } from '../errors.ts';
import type { Tables } from '../tables.ts';
import { deleteFingerprints, type ClaimedEvent } from './app-event-queries.ts';
import type { EventsBody } from './check-body.ts';
import { claimEvents } from './claim-events.ts';
import { composeRows, type Recorder } from './compose-rows.ts';
import { identifyEvents, type IncomingEvent } from './identify-events.ts';
import { createRefusal, type EventFault } from './refusal.ts';

export interface AcceptedEvent {
  /** The caller's id. */
  id: string;
  /** Our id. */
  event_id: string;
  status: 'created' | 'duplicate';
}

interface AcceptContext {
  data: Pick<AuditContext['data'], 'db'>;
  crypto: Pick<AuditContext['crypto'], 'subjectKeys'>;
  searchTerms: Pick<AuditContext['searchTerms'], 'loadKeyedHash'>;
}

/**
 * Claims ids and fills the outbox in one transaction. A known id is answered with its event.
 * @throws EventIdReused for a known id with other content; EventTooLarge
 */
export async function acceptEvents(
  { data: { db }, crypto, searchTerms }: AcceptContext,
  body: EventsBody,
  recorder: Recorder,
): Promise<AcceptedEvent[]> {
  const now = new Date();
  const keyedHash = await searchTerms.loadKeyedHash();
  const events = identifyEvents(keyedHash, body.events, now);
  return retryConflicts(() =>
    db.transaction().execute(async (trx) => {
      const claims = await claimEvents(trx, events);
      const reused = events.filter((event) => hasOtherContent(event, claims.of(event)));
      if (reused.length > 0) throw createRefusal(new EventIdReused(), body, reused.map(idFault));
      const created = events.filter(claims.isNew);
      const keys = await findKeys({ trx, crypto }, created);
      const rows = composeRows(body, created, { keys, recorder, now });
      if (rows.length > 0) await insertOutboxRows(trx, 'app', rows);
      return events.map((event) => ({
        id: event.caller_id,
        event_id: claims.of(event)?.event_id ?? event.event_id,
        status: claims.isNew(event) ? 'created' : 'duplicate',
      }));
    }),
  );
}

const hasOtherContent = (
  { fingerprint }: IncomingEvent,
  claimed: ClaimedEvent | undefined,
): boolean =>
  claimed !== undefined && claimed.fingerprint !== null && !claimed.fingerprint.equals(fingerprint);

/** The keys of the events' subjects. The erased have none, and keep no fingerprints. */
async function findKeys(
  { trx, crypto }: { trx: Transaction<Tables> } & Pick<AcceptContext, 'crypto'>,
  events: readonly IncomingEvent[],
): Promise<ReadonlyMap<string, SubjectKey>> {
  const names = events.flatMap(({ subject }) => (subject === null ? [] : [subject]));
  const keys = await crypto.subjectKeys.forNames(trx, names);
  for (const name of new Set(names)) if (!keys.has(name)) await deleteFingerprints(trx, name);
  return keys;
}

const idFault = ({ index }: IncomingEvent): EventFault => ({
  index,
  instancePath: '/id',
  message: 'belongs to an event with other content',
});
