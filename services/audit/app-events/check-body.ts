import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify';
import { appEventSchema, MAX_BATCH_EVENTS, type AppEvent } from './app-event.ts';
import { findContentFaults, type Fault } from './check-event.ts';

export type { Fault };

/** Hundreds of bad events have one cause. */
const MAX_FAULTS = 20;

export interface EventsBody {
  /** The body was `{ events: [...] }`, so faults name the event's place. */
  batch: boolean;
  events: AppEvent[];
}

/** `{ error }` as Fastify renders it, or `{ value }`, which replaces the body. */
export type CheckedBody = { error: FastifySchemaValidationError[] } | { value: EventsBody };

type Validate = ((event: unknown) => boolean) & { errors?: FastifySchemaValidationError[] | null };

/**
 * Creates the check of a body: one event or `{ events: [...] }`. The schema's union would report
 * the faults of both forms.
 */
export function createBodyCheck(
  compile: FastifySchemaCompiler<object>,
  now: () => number = Date.now,
): (body: unknown) => CheckedBody {
  const route = { method: 'POST', url: '', httpPart: 'body' };
  const validate = compile({ schema: appEventSchema, ...route }) as Validate;

  function findFaults(event: unknown, pointer: string): FastifySchemaValidationError[] {
    const faults = validate(event)
      ? [...findContentFaults(event as AppEvent, now())].map(toValidationError)
      : (validate.errors ?? []);
    return faults.map((fault) => ({ ...fault, instancePath: `${pointer}${fault.instancePath}` }));
  }

  return (body) => {
    const batch = typeof body === 'object' && body !== null && 'events' in body;
    const { events, ...others } = batch ? body : { events: [body] };
    if (!Array.isArray(events)) return refuseEvents('must be an array');
    if (events.length === 0 || events.length > MAX_BATCH_EVENTS)
      return refuseEvents(`must have 1 to ${MAX_BATCH_EVENTS} events`);
    const error = Object.keys(others).map(unknownField);
    for (const [index, event] of events.entries()) {
      if (error.length >= MAX_FAULTS) break;
      error.push(...findFaults(event, batch ? `/events/${index}` : ''));
    }
    return error.length > 0
      ? { error: error.slice(0, MAX_FAULTS) }
      : { value: { batch, events: events as AppEvent[] } };
  };
}

const toValidationError = ({ instancePath, message }: Fault): FastifySchemaValidationError => ({
  keyword: 'event',
  schemaPath: '',
  params: {},
  instancePath,
  message,
});

const refuseEvents = (message: string): CheckedBody => ({
  error: [toValidationError({ instancePath: '/events', message })],
});

const unknownField = (name: string): FastifySchemaValidationError =>
  toValidationError({ instancePath: `/${name}`, message: 'must NOT have additional properties' });
