/** How an operation of the document is called, and what it answers. */

export type NoInput = Record<never, never>;

export interface CallOptions {
  /** Ends the call, also between two attempts; it rejects with the signal's reason. */
  signal?: AbortSignal;
  headers?: Record<string, string>;
  /** Takes the place of the key that the client makes for each POST. */
  idempotencyKey?: string;
  /** An ETag; the change is refused with 412 unless the resource still has it. */
  ifMatch?: string;
  /** An ETag; the call rejects with `not_modified` while the resource has it. */
  ifNoneMatch?: string;
  /** Milliseconds for one attempt. */
  timeoutMs?: number;
  /** 1 never repeats a request. */
  maxAttempts?: number;
}

export interface Answer<Data> {
  data: Data;
  status: number;
  headers: Headers;
}

type Given<Input> = NoInput extends Input
  ? [input?: Input & CallOptions]
  : [input: Input & CallOptions];

/** Rejects with a `Problem`, with `NoAnswer`, or with the reason of the caller's signal. */
export type Call<Input, Data> = (...given: Given<Input>) => Promise<Answer<Data>>;

/** Awaited, it is one page. In `for await`, it is all items from that page on. */
export type ListCall<Input, Data, Item> = (
  ...given: Given<Input>
) => Promise<Answer<Data>> & AsyncIterable<Item>;

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One row of the generated table. */
export interface Route {
  method: Method;
  /** With `{name}` where a value of `path` goes. */
  path: string;
  answer: 'json' | 'text' | 'stream' | 'none';
  isKeyed?: true;
  isForm?: true;
  isPublic?: true;
  isList?: true;
}

/** Any operation's argument. */
export interface AnyInput extends CallOptions {
  path?: Record<string, string | number>;
  query?: Record<string, unknown>;
  body?: unknown;
}
