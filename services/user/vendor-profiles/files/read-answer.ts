import type { IncomingMessage } from 'node:http';
import {
  FileTooLarge,
  FileTypeRefused,
  FileUnexpected,
  FormTooLarge,
  IdempotencyInProgress,
  IdempotencyKeyReused,
  MultipartMalformed,
  NameInvalid,
  ObjectStoreUnavailable,
  TooManyParts,
  UploadCapacity,
  UploadCutOff,
  UploadSuperseded,
  UploadTimeout,
} from '@muniment/server';
import { Unauthenticated } from '@muniment/security';
import { FileServiceUnavailable } from '../../errors.ts';

/** Refusals of the file service that its form's sender can mend, and what each route answers. */
export const FORM_ERRORS = [
  FileServiceUnavailable,
  FileTooLarge,
  FileTypeRefused,
  FileUnexpected,
  FormTooLarge,
  IdempotencyInProgress,
  IdempotencyKeyReused,
  MultipartMalformed,
  NameInvalid,
  ObjectStoreUnavailable,
  TooManyParts,
  UploadCapacity,
  UploadCutOff,
  UploadSuperseded,
  UploadTimeout,
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

/** The error that a problem of the file service is here. */
function toError(status: number | undefined, text: string, retryAfter: number): Error {
  if (status === 401) return new Unauthenticated();
  const { code = '', detail = '' } = JSON.parse(text) as { code?: string; detail?: string };
  const Refusal = FORM_ERRORS.find((Class) => new Class().code.toLowerCase() === code);
  if (!Refusal) return new FileServiceUnavailable({ cause: new Error(`${status} ${code}`) });
  const error = Object.assign(new Refusal(), { message: detail });
  return Number.isFinite(retryAfter) ? Object.assign(error, { retryAfter }) : error;
}

/** @throws one of FORM_ERRORS, Unauthenticated where the caller's session has ended */
export async function readAnswer(answer: IncomingMessage): Promise<StoredForm> {
  const text = await readText(answer);
  if (answer.statusCode === 201) return JSON.parse(text) as StoredForm;
  throw toError(answer.statusCode, text, Number(answer.headers['retry-after'] ?? Number.NaN));
}
