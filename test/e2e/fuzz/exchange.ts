import type { Fleet } from '../fleet.ts';
import type { Actor } from './actors.ts';
import { bytesOf } from './bodies.ts';
import type { FuzzRequest } from './requests.ts';
import { createResolver, namesForeign, withAbsent, type Values } from './symbols.ts';

/** A request with values for its symbols, as it goes out. */
interface Sent {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: Buffer<ArrayBuffer>;
}

interface Received {
  status: number;
  headers: Record<string, string>;
  text: string;
}

/** A full service says so. Others' tests may fill it meanwhile. */
const CAPACITY = /"code":"(\w+_capacity|checkpoint_missing|checkpoint_pending)"/;
/** On a machine that others load a statement may take too long once. A fault comes again. */
const OUTAGE = /"code":"(dependency_unavailable|overloaded|bad_gateway|gateway_timeout)"/;
/** They differ from answer to answer, whatever was asked. */
const VARYING = new Set(['date', 'x-request-id', 'server-timing', 'content-length']);
/** They tell by design that an address is taken, or how long the log is by now. */
const INCOMPARABLE = new Set([
  'export.export_logs',
  'seed-004.register_user',
  'sign-in.register_user',
]);

function prepare(
  { method, path, headers, body }: FuzzRequest,
  resolve: (text: string) => string,
): Sent {
  return {
    method,
    path: resolve(path),
    headers: {
      ...Object.fromEntries(Object.entries(headers).map(([name, one]) => [name, resolve(one)])),
      ...(body?.type !== undefined && { 'content-type': body.type }),
      ...(body?.encoding === 'gzip' && { 'content-encoding': 'gzip' }),
    },
    ...(body && { body: bytesOf({ ...body, text: resolve(body.text) }) }),
  };
}

/** A command that sends the same again; the token is that of such a caller. */
function toCurl(url: string, { method, path, headers, body }: Sent, signedIn: boolean): string {
  const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const all = Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`);
  const bearer = signedIn ? ['-H "Authorization: Bearer $TOKEN"'] : [];
  const sent = body ? [`echo ${body.toString('base64')} | base64 -d |`] : [];
  const data = body ? ['--data-binary @-'] : [];
  return [...sent, 'curl -i', `-X ${method}`, quote(url + path), ...bearer, ...all, ...data].join(
    ' ',
  );
}

async function receive(answer: Response): Promise<Received> {
  const { status, headers } = answer;
  const isEndless = headers.get('content-type')?.startsWith('text/event-stream');
  if (isEndless) await answer.body?.cancel();
  const text = isEndless ? '' : await answer.text();
  return { status, headers: Object.fromEntries(headers), text };
}

/** An answer without what differs anyway, so that two can be compared. */
function compared({ status, headers, text }: Received, names: readonly string[]): string {
  const kept = Object.entries(headers).filter(([name]) => !VARYING.has(name));
  const whole = JSON.stringify([status, kept, text]);
  return names
    .reduce((one, name) => one.replaceAll(name, 'NAMED'), whole)
    .replaceAll(/\\"request_id\\":\\"[^"]*\\"/g, '');
}

export interface Exchange {
  fleet: Fleet;
  actor: Actor;
  foreign: Values;
  /** Whether what is another's must look as if it were absent. */
  isConfined: boolean;
}

/**
 * Sends a request, and where it names what is another's, the same about what exists nowhere.
 * @returns the status
 * @throws Error with the fault and a command that repeats it
 */
export async function exchange(
  { fleet, actor, foreign, isConfined }: Exchange,
  request: FuzzRequest,
): Promise<number> {
  const { token } = actor;
  const send = async (one: FuzzRequest): Promise<Received & { sent: Sent }> => {
    const sent = prepare(one, createResolver(actor.own, foreign));
    const { method, path, ...options } = sent;
    try {
      const ask = async (): Promise<Received> =>
        receive(
          await fleet.call(method, path, { ...options, ...(token !== undefined && { token }) }),
        );
      const first = await ask();
      const received = OUTAGE.test(first.text) ? await ask() : first;
      if (received.status > 499 && !CAPACITY.test(received.text))
        throw new Error(`it answered ${received.status}: ${received.text.slice(0, 500)}`);
      return { ...received, sent };
    } catch (error) {
      throw new Error(`${String(error)}\n${toCurl(fleet.url, sent, token !== undefined)}`, {
        cause: error,
      });
    }
  };
  const answer = await send(request);
  const asText = JSON.stringify(request);
  // With its password an account is the caller's own.
  const isOwn = asText.includes('$own:password');
  if (!isConfined || isOwn || INCOMPARABLE.has(request.operation) || !namesForeign(asText))
    return answer.status;
  const other = await send(JSON.parse(withAbsent(asText)) as FuzzRequest);
  requireEqual(answer, other, toCurl(fleet.url, answer.sent, token !== undefined), foreign);
  return answer.status;
}

function requireEqual(
  one: Received & { sent: Sent },
  other: Received & { sent: Sent },
  ...[command, foreign]: [string, Values]
): void {
  const ids = (text: string): string[] =>
    text.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|fuzz-[0-9a-f-]{36}@example\.com/gi) ??
    [];
  const sentText = ({ path, headers, body }: Sent): string =>
    path + JSON.stringify(headers) + String(body ?? '');
  const names = (sent: Sent): string[] => [
    ...Object.values(foreign).flatMap((value) => [value, encodeURIComponent(value)]),
    ...ids(sentText(sent)).flatMap((value) => [value, encodeURIComponent(value)]),
  ];
  const [first, second] = [compared(one, names(one.sent)), compared(other, names(other.sent))];
  if (first !== second) {
    const at = Array.from(first).findIndex((letter, index) => letter !== second[index]);
    const part = (text: string): string => text.slice(Math.max(0, at - 200), Math.max(0, at) + 500);
    throw new Error(
      ["what is another's differs from what is absent:", part(first), part(second), command].join(
        '\n',
      ),
    );
  }
}
