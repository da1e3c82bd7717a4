import type { FastifyRequest } from 'fastify';
import { Unauthenticated, type ServiceCall } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { FileContext } from '../context.ts';

/** A call of the user service, for a caller whom it has admitted. */
type Call = Omit<ServiceCall, 'audience' | 'operation'>;

const calls = new WeakMap<FastifyRequest, Call>();

/**
 * Admits only requests with the user service's signed token for this operation, before a byte of
 * the body is read. Limits, idempotency keys and events then count its caller as theirs.
 * @throws Unauthenticated
 */
export const requireServiceCall =
  ({ auth }: Pick<FileContext, 'auth'>, operation: string) =>
  async (request: FastifyRequest): Promise<void> => {
    const [, token] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined) throw new Unauthenticated();
    const call = await auth.serviceTokens.verify(token, { audience: 'file', operation });
    calls.set(request, call);
    request.principal = call.caller;
  };

export function serviceCallOf(request: FastifyRequest): Call {
  const call = calls.get(request);
  if (!call) throw new Error('the route does not ask for a service token');
  return call;
}

/** The client's request as events record it: the user service has forwarded its body. */
export function forwardedRequest(request: FastifyRequest): RequestContext {
  const { requestId: id, ip, userAgent, traceparent, caller: principal } = serviceCallOf(request);
  return {
    id,
    ip,
    headers: { 'user-agent': userAgent ?? undefined },
    principal,
    traceparent,
    idempotency: request.idempotency,
  };
}
