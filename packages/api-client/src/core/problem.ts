import type { ProblemCode } from '../generated/problem-codes.ts';

/** A fault of one field of the request. */
export interface FieldError {
  /** A JSON Pointer into the body or the request. */
  pointer: string;
  message: string;
}

/** An answer that says no (RFC 9457). `code` is stable, `message` is for people. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  /** One of the document's codes; `not_a_problem` where something else than Muniment answered. */
  readonly code: ProblemCode | 'not_modified' | 'not_a_problem';
  readonly title: string;
  readonly requestId: string | undefined;
  readonly errors: readonly FieldError[];
  readonly headers: Headers;
  /** How long to wait, where the answer said so. */
  readonly retryAfterMs: number | undefined;

  constructor(response: Response, text: string) {
    const said = parseProblem(text);
    super(said.detail ?? `The answer was ${response.status}.`);
    this.status = response.status;
    this.code = (said.code ?? (response.status === 304 ? 'not_modified' : 'not_a_problem')) as
      | ProblemCode
      | 'not_a_problem';
    this.title = said.title ?? response.statusText;
    this.requestId = said.request_id ?? response.headers.get('x-request-id') ?? undefined;
    this.errors = said.errors ?? [];
    this.headers = response.headers;
    this.retryAfterMs = parseRetryAfter(response.headers.get('retry-after'));
  }
}

/** No whole answer came: the connection failed, was cut off, or the time was up. See `cause`. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** Whether a call failed by a problem; with codes: by one of these. */
export function isProblem(error: unknown, ...codes: Problem['code'][]): error is Problem {
  return error instanceof Problem && (codes.length === 0 || codes.includes(error.code));
}

interface SaidProblem {
  code?: string;
  title?: string;
  detail?: string;
  request_id?: string;
  errors?: FieldError[];
}

/** Empty where the text is none of ours, as a foreign proxy's page. */
function parseProblem(text: string): SaidProblem {
  try {
    const said: unknown = JSON.parse(text);
    const isOurs = typeof said === 'object' && said !== null && 'code' in said;
    return isOurs ? (said as SaidProblem) : {};
  } catch {
    return {};
  }
}

/** Seconds or a date (RFC 9110 §10.2.3), as milliseconds from now. */
export function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
