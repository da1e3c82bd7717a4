import type { Transaction } from 'kysely';
import { findEventIdentities, insertEvents, type EventIdentity } from './event-queries.ts';
import { findReceived } from './lane-queries.ts';
import type { SentEvent } from './sent-event-queries.ts';
import type { Tables } from '../tables.ts';
import type { QuarantinedRecord, ReceivedEvent } from './received-event.ts';

/** Finds the events that their producers have sent. @returns indexes */
export type Attest = (
  trx: Transaction<Tables>,
  events: readonly SentEvent[],
) => Promise<Set<number>>;

export interface StoredEvents {
  /** Ids of the events that were added to the log. */
  stored: Set<string>;
  repeats: ReceivedEvent[];
  quarantined: QuarantinedRecord[];
  /** Events whose numbers count as received: all but the forged ones. */
  counted: ReceivedEvent[];
}

const sameEvent = (known: EventIdentity | undefined, { event }: ReceivedEvent): boolean =>
  known !== undefined &&
  known.source === event.source &&
  known.action === event.action &&
  known.request_id === event.request_id;

const numberOf = ({ event }: ReceivedEvent): string => `${event.source}/${event.lane}/${event.seq}`;

/**
 * Locks the events' lanes, and separates new events from repeats and forged ones. A writer to the
 * stream could otherwise invent events or occupy numbers. The outbox keeps each row until it is
 * stored, so it is the witness.
 */
async function partEvents(
  trx: Transaction<Tables>,
  events: readonly ReceivedEvent[],
  attest: Attest | undefined,
): Promise<{ fresh: ReceivedEvent[]; arrived: ReceivedEvent[]; forged: ReceivedEvent[] }> {
  const received = await findReceived(
    trx,
    events.map(({ event }) => event),
  );
  const arrived = events.filter((_, index) => received.has(index));
  const candidates = events.filter((_, index) => !received.has(index));
  if (!attest || candidates.length === 0) return { fresh: candidates, arrived, forged: [] };
  const sent = await attest(
    trx,
    candidates.map(({ event, digest }) => ({
      source: event.source,
      lane: event.lane,
      seq: event.seq,
      id: event.id,
      digest,
    })),
  );
  return {
    fresh: candidates.filter((_, index) => sent.has(index)),
    arrived,
    forged: candidates.filter((_, index) => !sent.has(index)),
  };
}

const quarantineForged = (forged: readonly ReceivedEvent[]): QuarantinedRecord[] =>
  forged.map((one) => ({
    record: one.record,
    reason: 'forged',
    detail: `no outbox has sent this as ${numberOf(one)}`,
    event: one.event,
    counted: false,
  }));

/**
 * Stores the new events. Every event of our producers counts as received, also when it is dismissed
 * or quarantined. Undecodable and forged records never count: the producer would delete the only
 * good copy.
 */
export async function storeEvents(
  trx: Transaction<Tables>,
  events: readonly ReceivedEvent[],
  attest: Attest | undefined,
): Promise<StoredEvents> {
  if (events.length === 0) return { stored: new Set(), repeats: [], quarantined: [], counted: [] };
  const { fresh, arrived, forged } = await partEvents(trx, events, attest);
  const byId = new Map<string, ReceivedEvent>();
  const numbers = new Set<string>();
  for (const one of fresh) {
    if (byId.has(one.event.id) || numbers.has(numberOf(one))) continue;
    byId.set(one.event.id, one);
    numbers.add(numberOf(one));
  }
  const stored =
    byId.size === 0
      ? new Set<string>()
      : await insertEvents(
          trx,
          [...byId.values()].map(({ event }) => event),
        );

  const counted = [...fresh, ...arrived];
  const firstTime = new Set(fresh);
  const doubtful = [
    ...fresh.filter((one) => byId.get(one.event.id) !== one || !stored.has(one.event.id)),
    ...arrived,
  ];
  if (doubtful.length === 0)
    return { stored, repeats: [], quarantined: quarantineForged(forged), counted };
  const known = await findEventIdentities(
    trx,
    doubtful.map(({ event }) => event.id),
  );
  const isKnown = (one: ReceivedEvent): boolean => sameEvent(known.get(one.event.id), one);
  const contradictions = doubtful
    .filter((one) => !isKnown(one))
    .map((one): QuarantinedRecord => ({
      record: one.record,
      reason: 'contradiction',
      detail: known.has(one.event.id)
        ? `the id ${one.event.id} belongs to another event`
        : `the number ${numberOf(one)} belongs to another event than ${one.event.id}`,
      event: one.event,
      counted: firstTime.has(one),
    }));
  return {
    stored,
    repeats: doubtful.filter(isKnown),
    quarantined: [...quarantineForged(forged), ...contradictions],
    counted,
  };
}

/**
 * Quarantines events that PostgreSQL refuses. They count as received: otherwise they would be sent
 * for ever and block their lane.
 */
export async function refuseEvents(
  trx: Transaction<Tables>,
  events: readonly ReceivedEvent[],
  { detail, attest }: { detail: string; attest: Attest | undefined },
): Promise<StoredEvents> {
  const { fresh, arrived, forged } = await partEvents(trx, events, attest);
  const refused = fresh.map((one): QuarantinedRecord => ({
    record: one.record,
    reason: 'refused',
    detail,
    event: one.event,
    counted: true,
  }));
  return {
    stored: new Set(),
    repeats: arrived,
    quarantined: [...quarantineForged(forged), ...refused],
    counted: [...fresh, ...arrived],
  };
}
