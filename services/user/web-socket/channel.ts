import { Type, type Static, type TSchema } from 'typebox';
import {
  findDenial,
  throwDenied,
  Unauthenticated,
  type Permission,
  type Principal,
} from '@muniment/security';
import { uuid, type RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';

/** A message of a socket, as a request of its own. */
export type SocketRequest = RequestContext & {
  operation: string;
  channel: string;
  /** The owner of its API token, once that is found valid. */
  token?: Principal;
};

/**
 * Who may send. Unless `public`, a message carries an API token, whose owner is
 * `request.principal`. `own` is for an id that is the owner's, `any` for all others.
 */
export type ChannelAccess = 'public' | { own?: Permission; any: Permission };

/** What clients may send over a socket, as seed 002 names it. */
export interface Channel<Payload extends TSchema = TSchema, Answer extends TSchema = TSchema> {
  name: string;
  /** `<tag>.<verb>_<noun>`, as of a route. */
  operation: string;
  /** What it does and which scopes it needs, for the AsyncAPI document. */
  summary: string;
  access: ChannelAccess;
  payload: Payload;
  /** The answer in the document's shape. */
  answer: Answer;
  run(
    context: UserContext,
    request: SocketRequest,
    payload: Static<Payload>,
  ): Promise<Static<Answer> & object>;
}

/** The answers of several channels. */
export const successSchema = Type.Object({ success: Type.Literal(true) });
export const createdSchema = Type.Object({ success: Type.Literal(true), userId: uuid });
const faultSchema = Type.Object({ pointer: Type.String(), message: Type.String() });
/** The answer to a message that failed. */
export const failureSchema = Type.Object({
  success: Type.Literal(false),
  error: Type.Object({
    code: Type.String(),
    message: Type.String(),
    errors: Type.Optional(
      Type.Array(faultSchema, {
        description: 'Each faulty field, by a JSON Pointer into the message.',
      }),
    ),
  }),
});
export type Failure = Static<typeof failureSchema>;

/** Checks the payload's type by its schema, then drops it so channels fit one list. */
export const defineChannel = <Payload extends TSchema, Answer extends TSchema>(
  channel: Channel<Payload, Answer>,
): Channel => channel as unknown as Channel;

/** The owner of a message's token. */
export function callerOf({ principal }: SocketRequest): Principal {
  if (!principal) throw new Unauthenticated();
  return principal;
}

/**
 * Requires the permission for the named user. The id alone decides, so a refusal does not tell
 * whether the user exists. It is counted and recorded.
 * @throws PermissionDenied, SessionRequired, InsufficientScope, RateLimited
 */
export async function requireAccess(
  { audit }: Pick<UserContext, 'audit'>,
  request: SocketRequest,
  { access, id }: { access: Exclude<ChannelAccess, 'public'>; id: string | undefined },
): Promise<void> {
  const caller = callerOf(request);
  const permission = id === caller.id && access.own ? access.own : access.any;
  const reason = findDenial(caller, permission);
  if (reason === undefined) return;
  await audit.recordDenial(request, { permission, reason, operation: request.operation });
  throwDenied(reason);
}
