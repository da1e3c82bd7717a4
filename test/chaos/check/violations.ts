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
