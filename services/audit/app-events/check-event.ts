import { isIP } from 'node:net';
import type { Json } from '@muniment/audit-events';
import {
  actionName,
  personalValuesOf,
  subjectOf,
  type AppEvent,
  type JsonObject,
} from './app-event.ts';

/** A fault of the body, as the problem's `errors` show it. */
export interface Fault {
  /** JSON Pointer (RFC 6901) into the body. */
  instancePath: string;
  message: string;
}

const MAX_CLOCK_SKEW_MS = 5 * 60_000;
/** An older event has a mistaken unit or an unset clock. */
const MAX_AGE_MS = 20 * 366 * 24 * 60 * 60_000;
const MAX_NESTING = 30;
const MAX_PERSONAL_TEXT_BYTES = 512;
const MAX_RESOURCE_BYTES = 500;
const MAX_ERROR_BYTES = 1_000;
const MAX_ACTION_LENGTH = 100;
/** Names that the metadata of every app event uses, or its entry shows beside them. */
const RESERVED_NAMES = ['event', 'actor_name'];

/** Finds the faults that the schema cannot express, in an event that fulfils it. */
export function* findContentFaults(event: AppEvent, now: number): Generator<Fault> {
  yield* findActionFaults(event);
  yield* findLengthFaults(event);
  const timeFault = event.occurred_at ? findTimeFault(event.occurred_at, now) : undefined;
  if (timeFault) yield { instancePath: '/occurred_at', message: timeFault };
  for (const name of RESERVED_NAMES)
    if (Object.hasOwn(event.metadata ?? {}, name))
      yield { instancePath: `/metadata/${name}`, message: 'is a reserved name' };
  yield* findValueFaults('/metadata', event.metadata ?? {}, Infinity);
  yield* findPersonalFaults(event);
  if (subjectOf(event) === undefined && Object.keys(personalValuesOf(event)).length > 0)
    yield {
      instancePath: '/personal/subject',
      message: 'is needed without an actor: personal values must have a subject',
    };
}

function* findActionFaults({ action }: AppEvent): Generator<Fault> {
  const name = actionName(action);
  if (name.length > MAX_ACTION_LENGTH)
    yield {
      instancePath: '/action',
      message: `has more than ${MAX_ACTION_LENGTH} characters as ${name}`,
    };
}

function* findLengthFaults(event: AppEvent): Generator<Fault> {
  const limits = { resource: MAX_RESOURCE_BYTES, error: MAX_ERROR_BYTES };
  for (const [name, limit] of Object.entries(limits))
    if (Buffer.byteLength(event[name as keyof typeof limits] ?? '') > limit)
      yield { instancePath: `/${name}`, message: `has more than ${limit} bytes` };
}

function findTimeFault(occurredAt: string, now: number): string | undefined {
  const time = Date.parse(occurredAt);
  if (time > now + MAX_CLOCK_SKEW_MS) return 'is in the future';
  return time < now - MAX_AGE_MS ? 'is more than twenty years ago' : undefined;
}

function* findValueFaults(
  pointer: string,
  values: JsonObject,
  maxTextBytes: number,
): Generator<Fault> {
  for (const [name, value] of Object.entries(values)) {
    const message = findValueFault(value, { maxTextBytes, levels: MAX_NESTING });
    if (message) yield { instancePath: `${pointer}/${escapePointer(name)}`, message };
  }
}

/** Finds values that have no canonical form, or that a reader of the log refuses. */
function findValueFault(
  value: Json,
  { maxTextBytes, levels }: { maxTextBytes: number; levels: number },
): string | undefined {
  // JSON text may hold 1e999, which becomes infinite.
  if (typeof value === 'number' && !Number.isFinite(value))
    return 'has a number that exceeds a double';
  if (typeof value === 'string' && Buffer.byteLength(value) > maxTextBytes)
    return `has a text of more than ${maxTextBytes} bytes`;
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return `has more than ${MAX_NESTING} levels`;
  for (const inner of Object.values(value) as Json[]) {
    const fault = findValueFault(inner, { maxTextBytes, levels: levels - 1 });
    if (fault) return fault;
  }
  return undefined;
}

const escapePointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

function* findPersonalFaults(event: AppEvent): Generator<Fault> {
  const { actor, personal = {}, metadata = {} } = event;
  const { subject: _, user_agent: __, ...others } = personal;
  yield* findValueFaults('/personal', others, MAX_PERSONAL_TEXT_BYTES);
  if (typeof personal.ip === 'string' && isIP(personal.ip) === 0)
    yield { instancePath: '/personal/ip', message: 'is not an IP address' };
  const hasOtherEmail = typeof personal.email === 'string' && personal.email !== actor?.email;
  if (actor?.email !== undefined && hasOtherEmail)
    yield { instancePath: '/personal/email', message: "differs from the actor's" };
  if (isActorUnerasable(event))
    yield {
      instancePath: '/actor',
      message: 'has a name or an e-mail address, but the personal values have another subject',
    };
  for (const name of Object.keys(others)) {
    if (RESERVED_NAMES.includes(name))
      yield { instancePath: `/personal/${name}`, message: 'is a reserved name' };
    else if (Object.hasOwn(metadata, name))
      yield { instancePath: `/personal/${escapePointer(name)}`, message: 'is in metadata too' };
  }
}

/** One subject's key encrypts the event, so another's values would outlive that one's erasure. */
function isActorUnerasable({ actor, personal }: AppEvent): boolean {
  const subject = personal?.subject;
  if (!actor || subject === undefined || subject === actor.id) return false;
  return actor.name !== undefined || actor.email !== undefined;
}
