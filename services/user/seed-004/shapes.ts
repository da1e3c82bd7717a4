import { splitToken } from '@muniment/security';
import type { preSerializationHookHandler } from 'fastify';
import { Type, type Static } from 'typebox';
import type { SessionTokens } from '../sessions/open-session.ts';

/** The answers under `/api/v1/auth`, in the shapes of the document that those paths come from (seed 004), but for UUIDs in the place of ObjectIds. */

export const sessionDataSchema = Type.Object({
  loginInfo: Type.String(),
  secure: Type.String(),
  clientId: Type.String({ format: 'uuid' }),
});

export function sessionData({
  token,
  session_id,
}: SessionTokens): Static<typeof sessionDataSchema> {
  return { ...splitToken(token), clientId: session_id };
}

/** The document's words for what it knows of; `incomplete` stands for a body that lacks something. */
export type Messages = { incomplete?: string };
const UNAUTHORIZED = new Set(['unauthenticated', 'invalid_credentials']);
const INCOMPLETE = new Set(['validation_failed', 'malformed_json']);

function messageFor(
  { status, code, detail }: { status: number; code: string; detail: string },
  { incomplete }: Messages,
): string {
  if (UNAUTHORIZED.has(code)) return 'Unauthorized';
  if (code === 'email_taken') return 'User exist';
  if (incomplete !== undefined && INCOMPLETE.has(code)) return incomplete;
  // What is wrong with an address or a password the document has no words for, and a person must be told.
  return status === 422 ? detail : 'Error processing the request';
}

/** Answers problems as the document answers failures: logged, with status and headers as everywhere, and `{ success, message }` as the body. */
export function documentedFailures(messages: Messages = {}): preSerializationHookHandler {
  return (_request, reply, payload, done) => {
    if (
      typeof payload !== 'object' ||
      payload === null ||
      !('code' in payload) ||
      reply.statusCode < 400
    )
      return done(null, payload);
    reply.type('application/json; charset=utf-8');
    done(null, {
      success: false,
      message: messageFor(payload as { status: number; code: string; detail: string }, messages),
    });
  };
}
