import type { Fleet } from '../../e2e/fleet.ts';
import { abortableSleep } from '../abortable-sleep.ts';
import { createOperation, type History, type Operation } from '../history.ts';
import { traceparentOf } from '../plan/plan-actions.ts';
import { createRandom } from '../plan/random.ts';

/** An event that a customer's service sent. */
export interface SentEvent {
  callerId: string;
  /** Events of one subject keep their order. */
  subject: string;
  /** The acknowledged id; null while it is not acknowledged. */
  eventId: string | null;
  sentAt: number;
}

export interface IntegratorOptions {
  fleet: Fleet;
  history: History;
  seed: number;
  client: number;
  token: string;
  signal: AbortSignal;
}

const REQUEST_TIMEOUT_MS = 8_000;
const BACKOFF_MS = 300;
const SUBJECTS = 5;
const MAX_BATCH = 8;

/** Plays a customer's service. It resends its events under the same ids until it succeeds. */
export async function runIntegrator(options: IntegratorOptions): Promise<void> {
  const { history, seed, client, signal } = options;
  const random = createRandom(`${seed}/client/${client}`);
  let attempts = 0;
  let made = 0;
  while (!signal.aborted) {
    await abortableSleep(random.integer(20, 150), signal);
    const events = Array.from({ length: random.integer(1, MAX_BATCH) }, (): SentEvent => ({
      callerId: `${seed}-${client}-${(made += 1)}`,
      subject: `buyer-${client}-${random.integer(1, SUBJECTS)}`,
      eventId: null,
      sentAt: history.now(),
    }));
    history.sent.push(...events);
    while (!signal.aborted && (await attempt(options, events, (attempts += 1))) === 'unknown')
      await abortableSleep(BACKOFF_MS, signal);
  }
}

/** Sends the events once, and records the operation. */
async function attempt(
  options: IntegratorOptions,
  events: readonly SentEvent[],
  number: number,
): Promise<Operation['result']> {
  const { history, seed, client } = options;
  const operation = createOperation({
    client,
    number,
    kind: 'own_events',
    traceparent: traceparentOf(seed, client, number),
    account: null,
    file: null,
    invokedAt: history.now(),
  });
  history.write({
    type: 'invoke',
    client,
    number,
    kind: operation.kind,
    events: events.map(({ callerId }) => callerId),
  });
  try {
    await send(options, events, operation);
  } catch (error) {
    operation.note = String(error);
  }
  operation.completedAt = history.now();
  history.operations.push(operation);
  history.write({ type: operation.result, ...operation });
  return operation.result;
}

/** Writes the outcome into `operation` and the acknowledged ids into `events`. */
async function send(
  { fleet, seed, token }: IntegratorOptions,
  events: readonly SentEvent[],
  operation: Operation,
): Promise<void> {
  const body = events.map(({ callerId: id, subject }) => ({
    id,
    tenant_id: `tenant-${seed}`,
    action: 'order.placed',
    actor: { id: subject, email: `${subject}@example.com` },
    resource: `order-${id}`,
    resource_type: 'order',
  }));
  const answer = await fleet.call('POST', '/api/audit/events', {
    token,
    json: { events: body },
    headers: { traceparent: operation.traceparent },
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const text = await answer.text();
  Object.assign(operation, {
    status: answer.status,
    requestId: answer.headers.get('x-request-id'),
  });
  if (answer.ok) {
    const { data } = JSON.parse(text) as { data: { id: string; event_id: string }[] };
    for (const event of events)
      event.eventId = data.find(({ id }) => id === event.callerId)?.event_id ?? null;
  } else {
    operation.code = (JSON.parse(text) as { code?: string }).code ?? null;
  }
  operation.result = answer.ok ? 'ok' : answer.status < 500 ? 'refused' : 'unknown';
}
