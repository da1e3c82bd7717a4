import type { AnyInput, Route } from './call.ts';
import type { Repeatable } from './retry.ts';

export type Body = NonNullable<RequestInit['body']>;
export type Send = (url: string, init: RequestInit) => Promise<Response>;

/** A request that can be made several times. */
export interface PlannedRequest extends Repeatable {
  url: string;
  headers: Headers;
  /** A body for each attempt. */
  openBody(): Body | undefined;
  answer: Route['answer'];
  isPublic: boolean;
  signal: AbortSignal | undefined;
  timeoutMs: number | undefined;
  maxAttempts: number | undefined;
  /** Takes the place of fetch. */
  send?: Send;
}

/** A value of a path. @throws for one that would name another resource */
function encodeSegments(name: string, value: string): string {
  // Only the paths of tiles have several segments, under the name `path`.
  const segments = name === 'path' ? value.split('/') : [value];
  if (segments.some((segment) => /^\.{0,2}$/.test(segment)))
    throw new TypeError(`"${value}" cannot be the ${name} of a path.`);
  return segments.map(encodeURIComponent).join('/');
}

function formatPath(path: string, values: AnyInput['path'] = {}): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new TypeError(`The path ${path} needs its ${name}.`);
    return encodeSegments(name, String(value));
  });
}

/** Undefined and null are left out; each value of an array is a parameter of its own. */
function formatQuery(query: AnyInput['query'] = {}): string {
  const pairs = Object.entries(query).flatMap(([name, given]) =>
    (Array.isArray(given) ? given : [given])
      .filter((value) => value !== undefined && value !== null)
      .map((value): [string, string] => [name, String(value)]),
  );
  const text = new URLSearchParams(pairs).toString();
  return text === '' ? '' : `?${text}`;
}

/** 128 bits. `randomUUID` is missing on pages without TLS. */
function createKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function formatHeaders(route: Route, input: AnyInput): Headers {
  const headers = new Headers(input.headers);
  const key = input.idempotencyKey ?? (route.isKeyed ? createKey() : undefined);
  // One key for all attempts of this call: that is what makes them one action.
  if (key !== undefined) headers.set('idempotency-key', `"${key}"`);
  if (input.ifMatch !== undefined) headers.set('if-match', input.ifMatch);
  if (input.ifNoneMatch !== undefined) headers.set('if-none-match', input.ifNoneMatch);
  return headers;
}

function toForm(fields: Record<string, unknown>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields))
    if (value instanceof Blob) form.append(name, value);
    else form.append(name, String(value));
  return form;
}

/** @throws TypeError for a path value that is missing or cannot be one */
export function planRequest(base: string, route: Route, input: AnyInput): PlannedRequest {
  const headers = formatHeaders(route, input);
  const { body } = input;
  const isJson = body !== undefined && route.isForm !== true;
  if (isJson) headers.set('content-type', 'application/json');
  const text = isJson ? JSON.stringify(body) : undefined;
  return {
    method: route.method,
    url: base.replace(/\/$/, '') + formatPath(route.path, input.path) + formatQuery(input.query),
    headers,
    openBody: () => text ?? (body === undefined ? undefined : toForm(body as never)),
    hasBodyAgain: true,
    isKeyed: headers.has('idempotency-key'),
    answer: route.answer,
    isPublic: route.isPublic === true,
    signal: input.signal,
    timeoutMs: input.timeoutMs,
    maxAttempts: input.maxAttempts,
  };
}
