import type { Static, TSchema } from 'typebox';
import {
  findDenial,
  throwDenied,
  Unauthenticated,
  type Permission,
  type Principal,
} from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';

/** A message of a socket, as a request of its own. */
export type SocketRequest = RequestContext & { operation: string; channel: string };

/** What clients may send over a socket, as seed 002 names it. */
export interface Channel<Payload extends TSchema = TSchema> {
  name: string;
  /** `<tag>.<verb>_<noun>`, as of a route. */
  operation: string;
  /** Whether a message must carry an API token; its owner is `request.principal`. */
  token: boolean;
  payload: Payload;
  /** @returns the answer in the document's shape */
  run(context: UserContext, request: SocketRequest, payload: Static<Payload>): Promise<object>;
}

/** Checks the payload's type by its schema, then drops it so channels fit one list. */
export const defineChannel = <Payload extends TSchema>(channel: Channel<Payload>): Channel =>
  channel as unknown as Channel;

/** The owner of a message's token. */
export function callerOf({ principal }: SocketRequest): Principal {
  if (!principal) throw new Unauthenticated();
  return principal;
}

/**
 * The caller, if permitted. A refusal is counted and recorded.
 * @throws PermissionDenied, SessionRequired, InsufficientScope, RateLimited
 */
export async function requirePermission(
  { audit }: Pick<UserContext, 'audit'>,
  request: SocketRequest,
  permission: Permission,
): Promise<Principal> {
  const caller = callerOf(request);
  const reason = findDenial(caller, permission);
  if (reason === undefined) return caller;
  await audit.recordDenial(request, { permission, reason, operation: request.operation });
  return throwDenied(reason);
}
