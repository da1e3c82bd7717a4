import type { IncomingMessage } from 'node:http';
import { randomBytes } from 'node:crypto';
import proxyAddr from '@fastify/proxy-addr';
import type { FastifyInstance } from 'fastify';
import { splitList } from '../lifecycle/config.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** When the gateway received the request, in ms since the epoch; a retry does not change it. */
    readonly startedAtMs: number;
    /** W3C Trace Context of the caller, where it is valid. */
    readonly traceparent: string | null;
  }
}

const REQUEST_ID = /^[0-9a-f]{32}$/;
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
/** A start time further away than this is a broken clock or a lie. */
const MAX_CLOCK_DISTANCE_MS = 5 * 60_000;

export interface TrustedProxy {
  /** Tells whether an address is the gateway's. */
  trusts(address: string): boolean;
  /** The gateway's request id, else a new one: callers must not choose ids of the audit trail. */
  requestId(request: IncomingMessage): string;
}

/** Trusts forwarded headers only from the gateway's own addresses. */
export function trustedProxy(proxies: string): TrustedProxy {
  const inRange = proxyAddr.compile(splitList(proxies));
  const trusts = (address: string): boolean => inRange(address, 0);
  return {
    trusts,
    requestId(request) {
      const offered = request.headers['x-request-id'];
      if (
        typeof offered === 'string' &&
        REQUEST_ID.test(offered) &&
        trusts(request.socket.remoteAddress ?? '')
      )
        return offered;
      return randomBytes(16).toString('hex');
    },
  };
}

/** Adds `startedAtMs` and `traceparent` to requests. */
export function decorateRequests(app: FastifyInstance, hop: TrustedProxy): void {
  app.decorateRequest('startedAtMs', {
    getter() {
      const now = Date.now();
      const offered = Math.round(Number(this.headers['x-request-start']) * 1_000);
      const sane =
        Math.abs(now - offered) < MAX_CLOCK_DISTANCE_MS &&
        hop.trusts(this.socket.remoteAddress ?? '');
      return sane ? offered : now;
    },
  });
  app.decorateRequest('traceparent', {
    getter() {
      const offered = this.headers.traceparent;
      return typeof offered === 'string' && TRACEPARENT.test(offered) ? offered : null;
    },
  });
}
