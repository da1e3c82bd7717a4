import type { IncomingMessage } from 'node:http';
import { IdempotencyInProgress, IdempotencyKeyReused, UPLOAD_ERRORS } from '@muniment/server';
import { Unauthenticated } from '@muniment/security';
import { FileServiceUnavailable } from '../../errors.ts';

/** Refusals of the file service that its form's sender can mend, and what each route answers. */
export const FORM_ERRORS = [
  FileServiceUnavailable,
  IdempotencyInProgress,
  IdempotencyKeyReused,
  ...UPLOAD_ERRORS,
];

/** What the file service has stored of a form, and the form's texts. */
export interface StoredForm {
  fields: [name: string, value: string][];
  files: { field: string; id: string; name: string; size: number; sha256: string }[];
}

const MAX_ANSWER_BYTES = 1024 ** 2;

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error('the answer of the file service is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** @throws FileServiceUnavailable where the answer breaks off, or is another program's */
async function readJson(answer: IncomingMessage): Promise<unknown> {
  try {
    return JSON.parse(await readText(answer));
  } catch (cause) {
    throw new FileServiceUnavailable({ cause });
  }
}

interface Refused {
  code?: string;
  detail?: string;
}

/** The error that a problem of the file service is here. */
function toError(
  status: number | undefined,
  { code = '', detail = '' }: Refused,
  retryAfter: number,
): Error {
  if (status === 401) return new Unauthenticated();
  const Refusal = FORM_ERRORS.find((Class) => new Class().code.toLowerCase() === code);
  if (!Refusal) return new FileServiceUnavailable({ cause: new Error(`${status} ${code}`) });
  const error = Object.assign(new Refusal(), { message: detail });
  return Number.isFinite(retryAfter) ? Object.assign(error, { retryAfter }) : error;
}

/** @throws one of FORM_ERRORS, Unauthenticated where the caller's session has ended */
export async function readAnswer(answer: IncomingMessage): Promise<StoredForm> {
  const body = await readJson(answer);
  if (answer.statusCode === 201) return body as StoredForm;
  const retryAfter = Number(answer.headers['retry-after'] ?? Number.NaN);
  throw toError(answer.statusCode, body as Refused, retryAfter);
}
