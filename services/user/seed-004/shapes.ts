import { splitToken } from '@muniment/security';
import type { preSerializationHookHandler } from 'fastify';
import { Type, type Static } from 'typebox';
import { uuid } from '@muniment/server';
import type { SessionTokens } from '../sessions/open-session.ts';

export const sessionDataSchema = Type.Object({
  loginInfo: Type.String(),
  secure: Type.String(),
  clientId: uuid,
});

export function sessionData({
  token,
  session_id,
}: SessionTokens): Static<typeof sessionDataSchema> {
  return { ...splitToken(token), clientId: session_id };
}

/** The document's errors. */
export const failureSchema = Type.Object({ success: Type.Literal(false), message: Type.String() });

export interface Messages {
  /** The document's words for a body that lacks a field. */
  incomplete?: string;
}

const UNAUTHORIZED = new Set(['unauthenticated', 'invalid_credentials']);
const INCOMPLETE = new Set(['validation_failed', 'malformed_json']);

/** The document has no words for these, and only the reason tells what to send instead. */
const TELLING = new Set([403, 412, 415, 422, 429]);

interface Failure {
  status: number;
  code: string;
  detail: string;
}

const isFailure = (payload: unknown): payload is Failure =>
  typeof payload === 'object' && payload !== null && 'code' in payload;

function messageFor({ status, code, detail }: Failure, { incomplete }: Messages): string {
  if (UNAUTHORIZED.has(code)) return 'Unauthorized';
  if (code === 'email_taken') return 'User exist';
  if (incomplete !== undefined && INCOMPLETE.has(code)) return incomplete;
  return TELLING.has(status) ? detail : 'Error processing the request';
}

/** Turns problems into the document's `{ success, message }`. */
export function documentedFailures(messages: Messages = {}): preSerializationHookHandler {
  return (_request, reply, payload, done) => {
    if (reply.statusCode < 400 || !isFailure(payload)) return done(null, payload);
    reply.type('application/json; charset=utf-8');
    done(null, { success: false, message: messageFor(payload, messages) });
  };
}
