import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Transaction } from 'kysely';
import { decodeRecord } from '@muniment/audit-events';
import { principalOf } from '@muniment/security';
import type { AuditContext } from '../context.ts';
import type { ReceivedEvent } from '../consumer/sort-records.ts';
import { isRefusedContent } from '../consumer/store-batch.ts';
import { storeEvents } from '../event-store/store-events.ts';
import {
  QuarantineContradicted,
  QuarantineForged,
  QuarantineNotFound,
  QuarantineRefused,
  QuarantineUnreadable,
} from '../errors.ts';
import { findEventIdentities, insertEvents } from '../event-store/event-queries.ts';
import { addReceived, findReceived } from '../event-store/lane-queries.ts';
import { findQuarantined, insertReplay, type QuarantinedEntry } from './quarantine-queries.ts';
import { insertSearchTerms } from '../search/search-term-queries.ts';
import { findSent } from '../event-store/sent-event-queries.ts';
import { insertLateEvent } from '../sealing/unsealed-event-queries.ts';
import type { Tables } from '../tables.ts';
import { openQuarantined } from './encrypt-records.ts';

export interface Replay {
  id: string;
  event_id: string;
  /** `known`: the event was in the log already. */
  outcome: 'stored' | 'known';
  replayed_at: string;
}

const replayOf = ({
  id,
  replayed_event_id: eventId,
  outcome,
  replayed_at: at,
}: QuarantinedEntry): Replay | undefined =>
  eventId && outcome && at
    ? { id, event_id: eventId, outcome, replayed_at: at.toISOString() }
    : undefined;

/** Somebody replays the same record at this moment, and was first. */
class ReplayedMeanwhile extends Error {}

function decode(entry: QuarantinedEntry): ReceivedEvent {
  if (entry.size > entry.data.length)
    throw new QuarantineUnreadable(`it had ${entry.size} bytes and was not kept whole`);
  const decoded = decodeRecord(entry.data);
  if ('fault' in decoded) throw new QuarantineUnreadable(decoded.fault);
  return {
    event: decoded.event,
    record: { sequenceNumber: entry.sequence_number, data: entry.data },
    digest: createHash('sha256').update(entry.data).digest(),
  };
}

/**
 * Puts the event where it belongs, as the consumer would. That ours has sent it is shown by the outbox while its number has not arrived, and by
 * `counted` afterwards: the outbox was asked before it was let go.
 */
async function place(
  trx: Transaction<Tables>,
  entry: QuarantinedEntry,
  one: ReceivedEvent,
): Promise<'stored' | 'known'> {
  const { event } = one;
  // Locks the lane, and with it any replay of the same record.
  const arrived = (await findReceived(trx, [event])).has(0);
  if (!arrived) {
    const { stored, quarantined } = await storeEvents(trx, [one], findSent);
    if (quarantined.some(({ reason }) => reason === 'forged')) throw new QuarantineForged();
    if (quarantined.length > 0) throw new QuarantineContradicted();
    await addReceived(trx, [event], []);
    return stored.size === 1 ? 'stored' : 'known';
  }
  const known = (await findEventIdentities(trx, [event.id])).get(event.id);
  if (known) {
    if (
      known.source !== event.source ||
      known.action !== event.action ||
      known.request_id !== event.request_id
    )
      throw new QuarantineContradicted();
    return 'known';
  }
  if (!entry.counted) throw new QuarantineContradicted();
  await insertEvents(trx, [event]);
  // Its lane may have been sealed past it.
  await insertLateEvent(trx, event.id);
  return 'stored';
}

/**
 * Takes a record out of quarantine into the log, now that its cause is mended. Doing it again answers the same and does nothing.
 * @throws quarantine_not_found, quarantine_unreadable, quarantine_refused (422), quarantine_forged, quarantine_contradicted (409)
 */
export async function replayQuarantined(
  { db, inTransaction, searchTerms, subjectKeys }: AuditContext,
  request: FastifyRequest,
  id: string,
): Promise<Replay> {
  const found = await findQuarantined(db, id);
  const [entry] = found ? await openQuarantined(db, subjectKeys, [found]) : [];
  if (!entry) throw new QuarantineNotFound();
  const done = replayOf(entry);
  if (done) return done;
  const one = decode(entry);
  const { event } = one;
  const terms = await searchTerms.createTerms([event]);
  try {
    await inTransaction(request, async (trx, record) => {
      const outcome = await place(trx, entry, one);
      if (
        !(await insertReplay(trx, {
          quarantineId: id,
          eventId: event.id,
          outcome,
          by: principalOf(request).id,
        }))
      )
        throw new ReplayedMeanwhile();
      if (outcome === 'stored' && terms.length > 0) await insertSearchTerms(trx, terms);
      await record({
        action: 'QUARANTINE_REPLAYED',
        resource: id,
        resource_type: 'quarantine',
        metadata: {
          event_id: event.id,
          outcome,
          source: event.source,
          lane: event.lane,
          seq: event.seq,
        },
      });
    });
  } catch (error) {
    if (isRefusedContent(error)) throw new QuarantineRefused(error.message);
    if (!(error instanceof ReplayedMeanwhile)) throw error;
  }
  const replayed = await findQuarantined(db, id);
  const replay = replayed && replayOf(replayed);
  if (!replay) throw new QuarantineNotFound();
  return replay;
}
