import type { Operation } from '../history.ts';
import { checkAccounts, checkFiles } from './check-ends.ts';
import { describeEvent, describeOrder, isInOrder } from './describe-event.ts';
import { possibleEvents, promisedEvent, type ExpectedEvent } from './expectations.ts';
import type { TrailEvent, Violation } from './violations.ts';

function describeOperation({
  client,
  number,
  kind,
  status,
  code,
  account,
  file,
}: Operation): string {
  const answer = code === null ? String(status) : `${status} ${code}`;
  const subject = account === null ? '' : `, account ${account}`;
  const resource = file === null ? '' : `, file ${file}`;
  return `${kind} (client ${client}, request ${number}, answered ${answer}${subject}${resource})`;
}
const isSame = (expected: ExpectedEvent, event: TrailEvent): boolean =>
  expected.action === event.action && expected.outcome === event.outcome;

/**
 * Compares the trail with the answers of the clients. An acknowledged action has one event, an
 * unanswered one at most one, and each subject's events are in the order of its actions.
 * @param ignored the checker's own accounts
 */
export function checkHistory(
  operations: readonly Operation[],
  trail: readonly TrailEvent[],
  ignored: ReadonlySet<string> = new Set(),
): Violation[] {
  const events = trail.filter(
    ({ source, user_id: user, resource }) =>
      source !== 'app' && !ignored.has(user ?? '') && !ignored.has(resource ?? ''),
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
        detail: `${describeEvent(event)}: no request had its traceparent`,
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
      detail: `${describeOperation(operation)}: ${own.map(describeEvent).join(' and ')}`,
    });
  if (operation.note === 'other bytes than were uploaded')
    found.push({ kind: 'corrupt', detail: describeOperation(operation) });
  if (operation.code === 'internal_error')
    found.push({
      kind: 'failed',
      detail: `${describeOperation(operation)}, request id ${operation.requestId}`,
    });
  const [event] = own;
  if (operation.result === 'unknown') {
    if (event && !possibleEvents(operation).some((possible) => isSame(possible, event)))
      found.push({
        kind: 'mismatch',
        detail: `${describeOperation(operation)} has ${describeEvent(event)}`,
      });
    return found;
  }
  const promised = promisedEvent(operation);
  if (!promised) {
    if (event)
      found.push({
        kind: 'unexplained',
        detail: `${describeEvent(event)}: ${describeOperation(operation)} was refused, or changes nothing`,
      });
    return found;
  }
  if (!event)
    return [...found, { kind: 'lost', detail: `${describeOperation(operation)}: no event` }];
  if (!isSame(promised, event))
    found.push({
      kind: 'mismatch',
      detail: `${describeOperation(operation)} has ${describeEvent(event)}`,
    });
  if (!operation.replayed && event.request_id !== operation.requestId)
    found.push({
      kind: 'mismatch',
      detail: `${describeOperation(operation)}: answered as request ${operation.requestId}, recorded as ${event.request_id}`,
    });
  if (operation.file !== null && event.resource !== operation.file)
    found.push({
      kind: 'mismatch',
      detail: `${describeOperation(operation)}: recorded of ${event.resource}`,
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
      const first = describeOperation(before.operation);
      violations.push({
        kind: 'order',
        detail:
          `${first} came before ${describeOperation(operation)}, ` +
          `but ${describeOrder(before.event, event)}`,
      });
    }
  }
  return violations;
}
