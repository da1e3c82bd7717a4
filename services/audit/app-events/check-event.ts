import { isIP } from 'node:net';
import type { Json } from '@muniment/audit-events';
import {
  actionName,
  personalValuesOf,
  subjectOf,
  type AppEvent,
  type JsonObject,
} from './app-event.ts';

/** A fault of the body, as the problem's `errors` tell it. */
export interface Fault {
  /** JSON Pointer (RFC 6901) into the body. */
  instancePath: string;
  message: string;
}

/** A clock may be so much ahead of ours. */
const MAX_AHEAD_MS = 5 * 60_000;
/** Older than this is a mistaken unit or a clock that was never set; a trail that is moved here is younger. */
const MAX_AGE_MS = 20 * 366 * 24 * 60 * 60_000;
const MAX_NESTING = 30;
const MAX_PERSONAL_TEXT_BYTES = 512;
const MAX_RESOURCE_BYTES = 500;
const MAX_ERROR_BYTES = 1_000;
const MAX_ACTION = 100;
/** What stands in the metadata of every event of the source, or in the entry beside it. */
const OURS = ['event', 'actor_name'];

const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** What JSON can say and a canonical form cannot, or a reader of the log will not: too deep, a number that became infinite. */
function unfit(value: Json, textBytes: number, levels = MAX_NESTING): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value))
    return 'has a number beyond what a double can hold';
  if (typeof value === 'string' && Buffer.byteLength(value) > textBytes)
    return `has a text of more than ${textBytes} bytes`;
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) return `is nested deeper than ${MAX_NESTING} levels`;
  for (const inner of Object.values(value) as Json[]) {
    const fault = unfit(inner, textBytes, levels - 1);
    if (fault) return fault;
  }
  return undefined;
}

function timeFault(occurredAt: string, now: number): string | undefined {
  const time = Date.parse(occurredAt);
  if (time > now + MAX_AHEAD_MS) return 'lies in the future';
  return time < now - MAX_AGE_MS ? 'lies more than twenty years back' : undefined;
}

function* valueFaults(place: string, values: JsonObject, textBytes: number): Generator<Fault> {
  for (const [name, value] of Object.entries(values)) {
    const fault = unfit(value, textBytes);
    if (fault) yield { instancePath: `${place}/${escaped(name)}`, message: fault };
  }
}

function* personalFaults({ actor, personal = {}, metadata = {} }: AppEvent): Generator<Fault> {
  const { subject, user_agent: _, ...others } = personal;
  yield* valueFaults('/personal', others, MAX_PERSONAL_TEXT_BYTES);
  if (typeof personal.ip === 'string' && isIP(personal.ip) === 0)
    yield { instancePath: '/personal/ip', message: 'is no IP address' };
  if (
    actor?.email !== undefined &&
    typeof personal.email === 'string' &&
    personal.email !== actor.email
  ) {
    yield { instancePath: '/personal/email', message: "is another than the actor's" };
  }
  // One event has one subject, whose key seals all of it: values of another would outlive that other's erasure.
  if (
    actor &&
    subject !== undefined &&
    subject !== actor.id &&
    (actor.name !== undefined || actor.email !== undefined)
  ) {
    yield {
      instancePath: '/actor',
      message: 'has a name or an e-mail although the personal values are those of another subject',
    };
  }
  for (const name of Object.keys(others)) {
    if (OURS.includes(name))
      yield { instancePath: `/personal/${name}`, message: 'is a name that is reserved' };
    else if (Object.hasOwn(metadata, name))
      yield { instancePath: `/personal/${escaped(name)}`, message: 'is in metadata too' };
  }
}

/** What the schema cannot say of an event that fulfils it. */
export function* contentFaults(event: AppEvent, now: number): Generator<Fault> {
  if (actionName(event.action).length > MAX_ACTION)
    yield {
      instancePath: '/action',
      message: `has more than ${MAX_ACTION} characters as ${actionName(event.action)}`,
    };
  for (const [name, most] of [
    ['resource', MAX_RESOURCE_BYTES],
    ['error', MAX_ERROR_BYTES],
  ] as const) {
    if (Buffer.byteLength(event[name] ?? '') > most)
      yield { instancePath: `/${name}`, message: `has more than ${most} bytes` };
  }
  const untimely = event.occurred_at ? timeFault(event.occurred_at, now) : undefined;
  if (untimely) yield { instancePath: '/occurred_at', message: untimely };
  for (const name of OURS)
    if (Object.hasOwn(event.metadata ?? {}, name))
      yield { instancePath: `/metadata/${name}`, message: 'is a name that is reserved' };
  yield* valueFaults('/metadata', event.metadata ?? {}, Infinity);
  yield* personalFaults(event);
  if (subjectOf(event) === undefined && Object.keys(personalValuesOf(event)).length > 0) {
    yield {
      instancePath: '/personal/subject',
      message: 'is needed, there being no actor: personal values belong to somebody',
    };
  }
}
