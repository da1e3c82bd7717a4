import type { Transaction } from 'kysely';
import type { ReceivedEvent } from '../event-store/received-event.ts';
import { QuarantineContradicted, QuarantineForged } from '../errors.ts';
import { findEventIdentities, insertEvents } from '../event-store/event-queries.ts';
import { addReceived, findReceived } from '../event-store/lane-queries.ts';
import { findSent } from '../event-store/sent-event-queries.ts';
import { storeEvents } from '../event-store/store-events.ts';
import { insertLateEvent } from '../sealing/unsealed-event-queries.ts';
import type { Tables } from '../tables.ts';
import type { ReplayOutcome } from './quarantine-queries.ts';

/**
 * Stores an event as the consumer would. Before its number arrives the outbox attests it, afterwards
 * `counted` does: the outbox was asked before it dropped the row.
 * @throws QuarantineForged, QuarantineContradicted
 */
export async function placeEvent(
  trx: Transaction<Tables>,
  received: ReceivedEvent,
  { counted }: { counted: boolean },
): Promise<ReplayOutcome> {
  const { event } = received;
  // This locks the lane, and so holds off another replay of the same record.
  const hasArrived = (await findReceived(trx, [event])).has(0);
  if (!hasArrived) return storeFirst(trx, received);
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
  if (!counted) throw new QuarantineContradicted();
  await insertEvents(trx, [event]);
  // Its lane may have been sealed past it.
  await insertLateEvent(trx, event.id);
  return 'stored';
}

async function storeFirst(
  trx: Transaction<Tables>,
  received: ReceivedEvent,
): Promise<ReplayOutcome> {
  const { stored, quarantined } = await storeEvents(trx, [received], findSent);
  if (quarantined.some(({ reason }) => reason === 'forged')) throw new QuarantineForged();
  if (quarantined.length > 0) throw new QuarantineContradicted();
  await addReceived(trx, [received.event], []);
  return stored.size === 1 ? 'stored' : 'known';
}
