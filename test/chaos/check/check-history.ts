import { possibleEvents, promisedEvent, type ExpectedEvent } from './expectations.ts';
import type { Operation } from '../history.ts';
import type { SentEvent } from '../clients/integrator.ts';

/** A stored event of the trail. */
export interface TrailEvent {
  id: string;
  source: string;
  lane: number;
  seq: number;
  /** Its leaf in the Merkle log; null while it is not sealed. */
  index: number | null;
  action: string;
  outcome: string;
  user_id: string | null;
  resource: string | null;
  request_id: string;
  traceparent: string | null;
  /** The id that a customer's service gave it; null in all other sources. */
  caller_id: string | null;
}

export const VIOLATIONS = [
  // An acknowledged action has no event.
  'lost',
  // One action has several events.
  'doubled',
  // No action explains the event.
  'unexplained',
  // The event contradicts its action.
  'mismatch',
  // Events of a subject are out of order.
  'order',
  // A lane lacks a number.
  'hole',
  // An outbox does not empty.
  'undelivered',
  // The consumer rejected an event of the product.
  'quarantined',
  // An event is not in the Merkle log.
  'unsealed',
  // The log has a gap, or a lane out of order.
  'seal',
  // A proof does not hold.
  'proof',
  // The sealed prefix changed.
  'checkpoint',
  // A download differs from its upload.
  'corrupt',
  // An answer was an internal error.
  'failed',
] as const;

export interface Violation {
  kind: (typeof VIOLATIONS)[number];
  detail: string;
}

/** The request id of an account's erasure. */
const ERASURE = /^erasure-(.+)$/;

function describe({ client, number, kind, status, code, account, file }: Operation): string {
  const answer = code === null ? String(status) : `${status} ${code}`;
  const subject = account === null ? '' : `, account ${account}`;
  const resource = file === null ? '' : `, file ${file}`;
  return `${kind} (client ${client}, request ${number}, answered ${answer}${subject}${resource})`;
}
const name = ({ source, lane, seq, action, outcome, id }: TrailEvent): string =>
  `${action} ${outcome} ${source}/${lane}/${seq} (${id})`;
const isSame = (expected: ExpectedEvent, event: TrailEvent): boolean =>
  expected.action === event.action && expected.outcome === event.outcome;

/**
 * Compares the trail with the answers of the clients. An acknowledged action has one event, an
 * unanswered one at most one, and each subject's events are in the order of its actions.
 * @param house accounts of the checker itself, whose events are ignored
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
  violations.push(...checkFiles(events), ...checkAccounts(events));
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
 * Checks that events of one account and source rise in number and leaf, within one lane. A client
 * sends one request at a time. A request without an answer may take effect later, so it is skipped.
 */
function checkOrder(
  operations: readonly Operation[],
  eventOf: ReadonlyMap<Operation, TrailEvent>,
): Violation[] {
  const violations: Violation[] = [];
  const last = new Map<string, { operation: Operation; event: TrailEvent }>();
  for (const operation of operations.toSorted((one, other) => one.invokedAt - other.invokedAt)) {
    const event = eventOf.get(operation);
    // A sign-up with a taken address belongs to no account.
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
    if (!isInOrder(before.event, event)) {
      const first = describe(before.operation);
      violations.push({
        kind: 'order',
        detail:
          `${first} came before ${describe(operation)}, ` +
          `but ${describeOrder(before.event, event)}`,
      });
    }
  }
  return violations;
}

const isInOrder = (before: TrailEvent, event: TrailEvent): boolean =>
  before.lane === event.lane &&
  before.seq < event.seq &&
  (before.index ?? -1) < (event.index ?? Infinity);

const describeOrder = (before: TrailEvent, event: TrailEvent): string =>
  `${name(before)}, leaf ${before.index}, stands behind ${name(event)}, leaf ${event.index}`;

/** Groups the successful events of one action by their resource. */
function groupByResource(events: readonly TrailEvent[], action: string): Map<string, TrailEvent[]> {
  return Map.groupBy(
    events.filter((event) => event.action === action && event.outcome === 'success'),
    ({ resource }) => resource ?? '',
  );
}

/** Checks that each file is deleted once at most, and with its account. */
function checkFiles(events: readonly TrailEvent[]): Violation[] {
  const violations: Violation[] = [];
  const uploaded = groupByResource(events, 'FILE_UPLOAD');
  const deleted = groupByResource(events, 'FILE_DELETE');
  const gone = groupByResource(events, 'USER_DELETED');
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
  return violations;
}

/** Checks that each deleted account is erased once. An erasure's events bear the account's id. */
function checkAccounts(events: readonly TrailEvent[]): Violation[] {
  const violations: Violation[] = [];
  const gone = groupByResource(events, 'USER_DELETED');
  const erased = groupByResource(events, 'SUBJECT_ERASED');
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

/**
 * Compares the events of source `app` with what customers' services sent. Each acknowledged one
 * exists once under its id, and each subject's are in the order sent.
 */
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
    if (before && !isInOrder(before.event, event))
      violations.push({
        kind: 'order',
        detail:
          `${before.callerId} came before ${callerId}, ` +
          `but ${describeOrder(before.event, event)}`,
      });
  }
  for (const strangers of byCallerId.values())
    for (const event of strangers)
      violations.push({ kind: 'unexplained', detail: `${name(event)}: no customer sent it` });
  return violations;
}
