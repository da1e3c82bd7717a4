import { possibleEvents, promisedEvent, type ExpectedEvent } from './expectations.ts';
import type { Operation } from '../history.ts';
import type { SentEvent } from '../clients/integrator.ts';

/** An event of the trail, as it is stored in the end. */
export interface TrailEvent {
  id: string;
  source: string;
  lane: number;
  seq: number;
  /** Its leaf in the Merkle log; null: not sealed. */
  index: number | null;
  action: string;
  outcome: string;
  user_id: string | null;
  resource: string | null;
  request_id: string;
  traceparent: string | null;
  /** The id that a customer's own service gave it; null in all other sources. */
  caller_id: string | null;
}

export const VIOLATIONS = [
  'lost',
  'doubled',
  'unexplained',
  'mismatch',
  'order',
  'hole',
  'undelivered',
  'quarantined',
  'unsealed',
  'seal',
  'proof',
  'checkpoint',
  'corrupt',
  'failed',
] as const;

export interface Violation {
  /**
   * lost: acknowledged and without its event; doubled: one action, more than one event; unexplained: an event that no action made; mismatch: an
   * event that says something else than its action; order: a subject's events stand otherwise than they happened; hole: a number is missing in a
   * lane; undelivered: an outbox does not empty; quarantined: the consumer took a record of ours for a stranger's; unsealed: an event is not in the
   * Merkle log; seal: the log has a gap, or a lane out of order; proof: a proof does not hold; checkpoint: the sealed prefix changed; corrupt: a
   * download had other bytes than its upload; failed: an answer that says our code failed.
   */
  kind: (typeof VIOLATIONS)[number];
  detail: string;
}

/** The request id of what an account's erasure does. */
const ERASURE = /^erasure-(.+)$/;

const describe = ({ client, number, kind, status, code, account, file }: Operation): string =>
  `${kind} (client ${client}, request ${number}, answered ${status}${code === null ? '' : ` ${code}`}${account === null ? '' : `, account ${account}`}${file === null ? '' : `, file ${file}`})`;
const name = ({ source, lane, seq, action, outcome, id }: TrailEvent): string =>
  `${action} ${outcome} ${source}/${lane}/${seq} (${id})`;
const isSame = (expected: ExpectedEvent, event: TrailEvent): boolean =>
  expected.action === event.action && expected.outcome === event.outcome;

/**
 * Holds the trail against what the clients were told: every acknowledged action has exactly one event, one whose answer was lost has none or
 * one, each subject's events stand in the order of its actions, and no event is there that no action made.
 * @param house accounts of the checker itself, whose events are nobody's action
 */
export function checkHistory(
  operations: readonly Operation[],
  trail: readonly TrailEvent[],
  house: ReadonlySet<string> = new Set(),
): Violation[] {
  const events = trail.filter(
    ({ source, user_id: user, resource }) =>
      source !== 'app' && !house.has(user ?? '') && !house.has(resource ?? ''),
  );
  const byTrace = Map.groupBy(
    events.filter(({ traceparent }) => traceparent !== null),
    ({ traceparent }) => traceparent ?? '',
  );
  const eventOf = new Map<Operation, TrailEvent>();
  const violations: Violation[] = [];
  for (const operation of operations) {
    const own = byTrace.get(operation.traceparent) ?? [];
    byTrace.delete(operation.traceparent);
    violations.push(...checkOperation(operation, own));
    if (own[0]) eventOf.set(operation, own[0]);
  }
  for (const strangers of byTrace.values())
    for (const event of strangers)
      violations.push({
        kind: 'unexplained',
        detail: `${name(event)}: no request had its traceparent`,
      });
  violations.push(...checkOrder(operations, eventOf));
  violations.push(...checkDeletions(events));
  return violations;
}

function checkOperation(operation: Operation, own: readonly TrailEvent[]): Violation[] {
  const found: Violation[] = [];
  if (own.length > 1)
    found.push({
      kind: 'doubled',
      detail: `${describe(operation)}: ${own.map(name).join(' and ')}`,
    });
  if (operation.note === 'other bytes than were uploaded')
    found.push({ kind: 'corrupt', detail: describe(operation) });
  if (operation.code === 'internal_error')
    found.push({
      kind: 'failed',
      detail: `${describe(operation)}, request id ${operation.requestId}`,
    });
  const [event] = own;
  if (operation.result === 'unknown') {
    if (event && !possibleEvents(operation).some((possible) => isSame(possible, event)))
      found.push({ kind: 'mismatch', detail: `${describe(operation)} has ${name(event)}` });
    return found;
  }
  const promised = promisedEvent(operation);
  if (!promised) {
    if (event)
      found.push({
        kind: 'unexplained',
        detail: `${name(event)}: ${describe(operation)} was refused, or changes nothing`,
      });
    return found;
  }
  if (!event) return [...found, { kind: 'lost', detail: `${describe(operation)}: no event` }];
  if (!isSame(promised, event))
    found.push({ kind: 'mismatch', detail: `${describe(operation)} has ${name(event)}` });
  if (!operation.replayed && event.request_id !== operation.requestId)
    found.push({
      kind: 'mismatch',
      detail: `${describe(operation)}: answered as request ${operation.requestId}, recorded as ${event.request_id}`,
    });
  if (operation.file !== null && event.resource !== operation.file)
    found.push({
      kind: 'mismatch',
      detail: `${describe(operation)}: recorded of ${event.resource}`,
    });
  return found;
}

/**
 * A client begins a request when it has the last one's answer. So within one account and source, what was acknowledged earlier has the lower
 * number in the same lane, and the lower leaf. A request without an answer may take effect at any time later, and binds nothing.
 */
function checkOrder(
  operations: readonly Operation[],
  eventOf: ReadonlyMap<Operation, TrailEvent>,
): Violation[] {
  const violations: Violation[] = [];
  const last = new Map<string, { operation: Operation; event: TrailEvent }>();
  for (const operation of operations.toSorted((one, other) => one.invokedAt - other.invokedAt)) {
    const event = eventOf.get(operation);
    // Who signs up with a taken address is nobody's account.
    if (
      !event ||
      operation.result === 'unknown' ||
      operation.account === null ||
      event.action === 'SIGNUP_FAIL'
    )
      continue;
    const subject = `${operation.account}/${event.source}`;
    const before = last.get(subject);
    last.set(subject, { operation, event });
    if (!before) continue;
    const kept =
      before.event.lane === event.lane &&
      before.event.seq < event.seq &&
      (before.event.index ?? -1) < (event.index ?? Infinity);
    if (!kept) {
      violations.push({
        kind: 'order',
        detail: `${describe(before.operation)} came before ${describe(operation)}, but ${name(before.event)}, leaf ${before.event.index}, stands behind ${name(event)}, leaf ${event.index}`,
      });
    }
  }
  return violations;
}

/** A file ends once: by its owner's hand or with its owner. What the erasure of an account did bears the account's id instead of a request's. */
function checkDeletions(events: readonly TrailEvent[]): Violation[] {
  const violations: Violation[] = [];
  const of = (action: string): Map<string, TrailEvent[]> =>
    Map.groupBy(
      events.filter((event) => event.action === action && event.outcome === 'success'),
      ({ resource }) => resource ?? '',
    );
  const [uploaded, deleted, gone, erased] = [
    of('FILE_UPLOAD'),
    of('FILE_DELETE'),
    of('USER_DELETED'),
    of('SUBJECT_ERASED'),
  ];
  for (const [file, all] of deleted) {
    if (all.length > 1)
      violations.push({
        kind: 'doubled',
        detail: `file ${file} was deleted by ${all.map(name).join(' and ')}`,
      });
    if (!uploaded.has(file))
      violations.push({
        kind: 'unexplained',
        detail: `file ${file} was deleted and never uploaded: ${all.map(name).join(', ')}`,
      });
  }
  for (const [file, [upload]] of uploaded) {
    if (upload?.user_id && gone.has(upload.user_id) && !deleted.has(file))
      violations.push({
        kind: 'lost',
        detail: `file ${file} went with its account ${upload.user_id}: no FILE_DELETE`,
      });
  }
  for (const [what, ends] of [
    ['deleted', gone],
    ['erased', erased],
  ] as const) {
    for (const [account, all] of ends)
      if (all.length > 1)
        violations.push({
          kind: 'doubled',
          detail: `account ${account} was ${what} by ${all.map(name).join(' and ')}`,
        });
  }
  for (const account of gone.keys())
    if (!erased.has(account))
      violations.push({
        kind: 'lost',
        detail: `account ${account} was deleted: no SUBJECT_ERASED`,
      });
  for (const event of events.filter(({ traceparent }) => traceparent === null)) {
    const account = ERASURE.exec(event.request_id)?.[1];
    if (account === undefined || !gone.has(account))
      violations.push({
        kind: 'unexplained',
        detail: `${name(event)} of request ${event.request_id}`,
      });
  }
  return violations;
}

/** Holds the events of source `app` against what customers' own services sent: each acknowledged one is there once, under the id it was acknowledged by, and each subject's in the order they were sent. */
export function checkSent(sent: readonly SentEvent[], trail: readonly TrailEvent[]): Violation[] {
  const byCallerId = Map.groupBy(
    trail.filter(({ source }) => source === 'app'),
    ({ caller_id: id }) => id ?? '',
  );
  const last = new Map<string, { callerId: string; event: TrailEvent }>();
  const violations: Violation[] = [];
  for (const { callerId, subject, eventId } of sent) {
    const own = byCallerId.get(callerId) ?? [];
    byCallerId.delete(callerId);
    const [event] = own;
    if (own.length > 1)
      violations.push({
        kind: 'doubled',
        detail: `event ${callerId} of a customer: ${own.map(name).join(' and ')}`,
      });
    if (eventId === null) continue;
    if (!event)
      violations.push({
        kind: 'lost',
        detail: `event ${callerId} of a customer, acknowledged as ${eventId}`,
      });
    else if (event.id !== eventId)
      violations.push({
        kind: 'mismatch',
        detail: `event ${callerId} of a customer was acknowledged as ${eventId} and is ${event.id}`,
      });
    if (!event) continue;
    const before = last.get(subject);
    last.set(subject, { callerId, event });
    const kept =
      !before ||
      (before.event.lane === event.lane &&
        before.event.seq < event.seq &&
        (before.event.index ?? -1) < (event.index ?? Infinity));
    if (!kept)
      violations.push({
        kind: 'order',
        detail: `${before.callerId} came before ${callerId}, but ${name(before.event)}, leaf ${before.event.index}, stands behind ${name(event)}, leaf ${event.index}`,
      });
  }
  for (const strangers of byCallerId.values())
    for (const event of strangers)
      violations.push({ kind: 'unexplained', detail: `${name(event)}: no customer sent it` });
  return violations;
}
