import { createHash } from 'node:crypto';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { principalOf } from '@muniment/security';
import { discardBody, splitList, UploadCutOff } from '@muniment/server';
import type { UserContext } from '../../context.ts';
import { FileServiceUnavailable } from '../../errors.ts';
import { FORM_FILE_TYPES } from './file-fields.ts';
import { openConnection } from './open-connection.ts';
import { readAnswer, type StoredForm } from './read-answer.ts';

export type FormContext = Pick<UserContext, 'auth' | 'config'>;

/** Whose the files of a form become. */
export interface FormOwner {
  owner: string;
  /** Whether a field before the files may name another one. */
  isChosen: boolean;
}

const OPERATION = 'store_form';
const MAX_USER_AGENT = 512;

/** The token by which the file service knows what the caller may do, and whom to record. */
function issueToken(
  { auth }: FormContext,
  request: FastifyRequest,
  { owner, isChosen }: FormOwner,
): string {
  return auth.serviceTokens.issue({
    audience: 'file',
    operation: OPERATION,
    caller: principalOf(request),
    ip: request.ip,
    userAgent: request.headers['user-agent']?.slice(0, MAX_USER_AGENT) ?? null,
    requestId: request.id,
    traceparent: request.traceparent,
    grant: { owner, ownerFields: isChosen ? ['user_id', 'userId'] : [], types: FORM_FILE_TYPES },
  });
}

/** A retry under the client's key finds the same files; without one each request is its own. */
function deriveKey(request: FastifyRequest, { owner }: FormOwner): string {
  const { method, routeOptions, params, headers } = request;
  const key = headers['idempotency-key'] ?? request.id;
  const parts = [method, routeOptions.url, params, owner, key];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}

function headersOf(context: FormContext, request: FastifyRequest, owner: FormOwner) {
  const { 'content-type': type = '', 'content-length': length } = request.headers;
  return {
    authorization: `Bearer ${issueToken(context, request, owner)}`,
    'content-type': type,
    ...(length !== undefined && { 'content-length': length }),
    'idempotency-key': deriveKey(request, owner),
  };
}

/** Passes the body on as it comes. @returns the answer, which may come before the body's end */
async function pump(body: IncomingMessage, outgoing: ClientRequest): Promise<IncomingMessage> {
  const answered = Promise.withResolvers<IncomingMessage>();
  outgoing.once('response', answered.resolve);
  const fail = (cause?: unknown): void =>
    answered.reject(new FileServiceUnavailable(cause === undefined ? {} : { cause }));
  outgoing.once('error', fail).once('close', () => fail());
  const cutOff = (): void => {
    if (body.readableEnded) return;
    answered.reject(new UploadCutOff());
    outgoing.destroy();
  };
  body.once('close', cutOff);
  // The client may have left while a replica was sought.
  if (body.destroyed) cutOff();
  else body.pipe(outgoing);
  try {
    return await answered.promise;
  } finally {
    body.off('close', cutOff).unpipe(outgoing);
  }
}

/**
 * Forwards a form to the file service, which stores its files. Nothing is held here.
 * @throws one of FORM_ERRORS, Unauthenticated
 */
export async function forwardForm(
  context: FormContext,
  request: FastifyRequest,
  owner: FormOwner,
): Promise<StoredForm> {
  const replicas = splitList(context.config.FILE_SERVICE_URLS).map(
    (url) => new URL('/internal/forms', url),
  );
  try {
    const outgoing = await openConnection(replicas, headersOf(context, request, owner));
    try {
      return await readAnswer(await pump(request.raw, outgoing));
    } finally {
      outgoing.destroy();
    }
  } finally {
    discardBody(request.raw);
  }
}
