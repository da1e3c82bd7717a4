import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify';
import { appEventSchema, MAX_BATCH_EVENTS, type AppEvent } from './app-event.ts';
import { contentFaults, type Fault } from './check-event.ts';

export type { Fault };

/** A body with hundreds of bad events is one mistake made hundreds of times. */
const MAX_FAULTS = 20;

const asValidation = ({ instancePath, message }: Fault): FastifySchemaValidationError => ({
  keyword: 'event',
  schemaPath: '',
  params: {},
  instancePath,
  message,
});

export interface EventsBody {
  /** Whether it came as `{ events: [...] }`: what is said of an event then names its place. */
  batch: boolean;
  events: AppEvent[];
}

/** `{ error }` as Fastify renders it, or `{ value }`, which takes the place of the body. */
export type CheckedBody = { error: FastifySchemaValidationError[] } | { value: EventsBody };

/**
 * Makes the check of a body that is one event or `{ events: [...] }`. Not left to the schema's «one of these»: its errors would be those of all the forms at
 * once. Each event is checked by itself, and every fault names its event.
 */
export function createBodyCheck(
  compile: FastifySchemaCompiler<object>,
  now: () => number = Date.now,
): (body: unknown) => CheckedBody {
  const validate = compile({
    schema: appEventSchema,
    method: 'POST',
    url: '',
    httpPart: 'body',
  }) as ((event: unknown) => boolean) & { errors?: FastifySchemaValidationError[] | null };

  function faultsOf(event: unknown, place: string): FastifySchemaValidationError[] {
    const faults = validate(event)
      ? [...contentFaults(event as AppEvent, now())].map(asValidation)
      : (validate.errors ?? []);
    return faults.map((fault) => ({ ...fault, instancePath: `${place}${fault.instancePath}` }));
  }

  return (body) => {
    const batch = typeof body === 'object' && body !== null && 'events' in body;
    const { events, ...others } = batch ? body : { events: [body] };
    const refuse = (message: string): CheckedBody => ({
      error: [asValidation({ instancePath: '/events', message })],
    });
    if (!Array.isArray(events)) return refuse('must be an array');
    if (events.length === 0 || events.length > MAX_BATCH_EVENTS)
      return refuse(`must have 1 to ${MAX_BATCH_EVENTS} events`);
    const error = Object.keys(others).map((name) =>
      asValidation({ instancePath: `/${name}`, message: 'must NOT have additional properties' }),
    );
    for (const [index, event] of events.entries()) {
      if (error.length >= MAX_FAULTS) break;
      error.push(...faultsOf(event, batch ? `/events/${index}` : ''));
    }
    return error.length > 0
      ? { error: error.slice(0, MAX_FAULTS) }
      : { value: { batch, events: events as AppEvent[] } };
  };
}
