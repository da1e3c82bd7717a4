import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { randomBytes } from 'node:crypto';
import proxyAddr from '@fastify/proxy-addr';
import type { FastifyInstance } from 'fastify';
import type { SharedSecret } from '@muniment/security';
import { splitList } from '../lifecycle/config.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** When the gateway received the request, in ms since the epoch; a retry does not change it. */
    readonly startedAtMs: number;
    /** W3C Trace Context of the caller, where it is valid. */
    readonly traceparent: string | null;
  }
}

/** Nginx sets and overwrites it: see nginx/nginx.conf.template. */
const GATEWAY_HEADER = 'x-gateway-secret';
/** What only the gateway may say of a request. */
const GATEWAY_CLAIMS = [
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
  'x-request-start',
];
const REQUEST_ID = /^[0-9a-f]{32}$/;
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
/** A start time further away than this is a broken clock. */
const MAX_CLOCK_DISTANCE_MS = 5 * 60_000;

export interface TrustedProxy {
  /** Tells whether an address is the gateway's. */
  trusts(address: string): boolean;
  /**
   * Drops what nobody but the gateway may claim, unless the gateway sent the request.
   * Call it first for each request. @returns the gateway's request id, else a new one
   */
  admit(request: IncomingMessage): string;
}

/**
 * Trusts forwarded headers only from the gateway's own addresses and with its secret: on one machine
 * every local user has the gateway's address.
 */
export function trustedProxy(proxies: string, secret: SharedSecret): TrustedProxy {
  const inRange = proxyAddr.compile(splitList(proxies));
  const trusts = (address: string): boolean => inRange(address, 0);
  return {
    trusts,
    admit({ headers, socket }) {
      const isGateway = secret.matches(headers[GATEWAY_HEADER]);
      // Nothing that runs later, such as a log or an error, can show it.
      headers[GATEWAY_HEADER] = undefined;
      if (!isGateway || !trusts(socket.remoteAddress ?? '')) dropClaims(headers);
      const offered = headers['x-request-id'];
      return typeof offered === 'string' && REQUEST_ID.test(offered)
        ? offered
        : randomBytes(16).toString('hex');
    },
  };
}

function dropClaims(headers: IncomingHttpHeaders): void {
  for (const name of GATEWAY_CLAIMS) headers[name] = undefined;
}

/** Adds `startedAtMs` and `traceparent` to requests. */
export function decorateRequests(app: FastifyInstance): void {
  app.decorateRequest('startedAtMs', {
    getter() {
      const now = Date.now();
      const offered = Math.round(Number(this.headers['x-request-start']) * 1_000);
      return Math.abs(now - offered) < MAX_CLOCK_DISTANCE_MS ? offered : now;
    },
  });
  app.decorateRequest('traceparent', {
    getter() {
      const offered = this.headers.traceparent;
      return typeof offered === 'string' && TRACEPARENT.test(offered) ? offered : null;
    },
  });
}
