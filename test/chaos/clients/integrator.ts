import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from '../../e2e/fleet.ts';
import type { History, Operation } from '../history.ts';
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
export async function runIntegrator({
  fleet,
  history,
  seed,
  client,
  token,
  signal,
}: IntegratorOptions): Promise<void> {
  const random = createRandom(`${seed}/client/${client}`);
  let attempts = 0;
  let made = 0;

  async function attempt(events: readonly SentEvent[]): Promise<Operation['result']> {
    const number = (attempts += 1);
    const operation: Operation = {
      client,
      number,
      kind: 'own_events',
      traceparent: traceparentOf(seed, client, number),
      account: null,
      file: null,
      invokedAt: history.now(),
      completedAt: 0,
      result: 'unknown',
      status: 0,
      code: null,
      requestId: null,
      replayed: false,
      note: null,
    };
    history.write({
      type: 'invoke',
      client,
      number,
      kind: operation.kind,
      events: events.map(({ callerId }) => callerId),
    });
    const body = events.map(({ callerId: id, subject }) => ({
      id,
      tenant_id: `tenant-${seed}`,
      action: 'order.placed',
      actor: { id: subject, email: `${subject}@example.com` },
      resource: `order-${id}`,
      resource_type: 'order',
    }));
    try {
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
    } catch (error) {
      operation.note = String(error);
    }
    operation.completedAt = history.now();
    history.operations.push(operation);
    history.write({ type: operation.result, ...operation });
    return operation.result;
  }

  while (!signal.aborted) {
    await sleep(random.integer(20, 150), undefined, { signal }).catch(() => {});
    const events = Array.from({ length: random.integer(1, MAX_BATCH) }, (): SentEvent => ({
      callerId: `${seed}-${client}-${(made += 1)}`,
      subject: `buyer-${client}-${random.integer(1, SUBJECTS)}`,
      eventId: null,
      sentAt: history.now(),
    }));
    history.sent.push(...events);
    while (!signal.aborted && (await attempt(events)) === 'unknown')
      await sleep(BACKOFF_MS, undefined, { signal }).catch(() => {});
  }
}
