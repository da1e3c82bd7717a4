import type { Static, TSchema } from 'typebox';
import {
  throwDenied,
  Unauthenticated,
  findDenial,
  type Permission,
  type Principal,
} from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { UserContext } from '../context.ts';

/** One message of a socket, as a request: with an id of its own, and the caller whose token it carries. */
export type SocketRequest = RequestContext & { channel: string };

/** What clients may send over a socket, as seed 002 names it. */
export interface Channel<Payload extends TSchema = TSchema> {
  name: string;
  /** Whether a message must carry an API token; then `request.principal` is its owner. */
  token: boolean;
  payload: Payload;
  /** @returns the answer in the document's own shape */
  run(server: UserContext, request: SocketRequest, payload: Static<Payload>): Promise<object>;
}

/** The same, its payload's type checked against its schema and then forgotten, so that channels can stand in one list. */
export const defineChannel = <Payload extends TSchema>(channel: Channel<Payload>): Channel =>
  channel as unknown as Channel;

/** The owner of a message's token. */
export function callerOf({ principal }: SocketRequest): Principal {
  if (!principal) throw new Unauthenticated();
  return principal;
}

/**
 * The caller, if they may do this. A refusal is recorded, as at a route.
 * @throws `permission_denied`, `session_required` or `insufficient_scope`
 */
export async function requirePermission(
  server: UserContext,
  request: SocketRequest,
  permission: Permission,
): Promise<Principal> {
  const caller = callerOf(request);
  const denial = findDenial(caller, permission);
  if (denial === undefined) return caller;
  await server.recordFor(request, {
    action: 'ACCESS_DENIED',
    outcome: 'failure',
    metadata: { permission, reason: denial, operation: `socket.${request.channel}` },
  });
  return throwDenied(denial);
}
