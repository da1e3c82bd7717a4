import type { SentEvent } from '../clients/integrator.ts';
import { describeEvent, describeOrder, isInOrder } from './describe-event.ts';
import type { TrailEvent, Violation } from './violations.ts';

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
        detail: `event ${callerId} of a customer: ${own.map(describeEvent).join(' and ')}`,
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
      violations.push({
        kind: 'unexplained',
        detail: `${describeEvent(event)}: no customer sent it`,
      });
  return violations;
}
