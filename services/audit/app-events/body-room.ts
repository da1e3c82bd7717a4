import { PassThrough, type Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { principalOf } from '@muniment/security';
import { BatchCapacity, BatchTimeout, TooManyBatches } from '../errors.ts';

export interface BodyRoomOptions {
  /** Most large bodies that a replica holds, from their first byte to their answer. */
  max: number;
  /** Most large bodies of one user among them. */
  maxPerCaller: number;
  /** A large body must be whole in this time. */
  timeoutMs: number;
}

/** The gateway holds smaller bodies until they are whole, and bounds them. */
const LARGE_BODY_BYTES = 256 * 1024;
const RETRY_AFTER_S = 1;

/** Reads a body if there is room for it. @throws TooManyBatches, BatchCapacity */
export type AdmitBody = (request: FastifyRequest, reply: FastifyReply, body: Readable) => Readable;

/**
 * Bounds the memory of large bodies. The caller is known before the body is read, and a body that
 * comes too slowly gives its place up.
 */
export function createBodyRoom({ max, maxPerCaller, timeoutMs }: BodyRoomOptions): AdmitBody {
  const held = new Set<{ callerId: string }>();

  function hold(callerId: string): () => void {
    const retryAfter = RETRY_AFTER_S;
    const own = [...held].filter((one) => one.callerId === callerId);
    if (own.length >= maxPerCaller) throw Object.assign(new TooManyBatches(), { retryAfter });
    if (held.size >= max) throw Object.assign(new BatchCapacity(), { retryAfter });
    const place = { callerId };
    held.add(place);
    return () => void held.delete(place);
  }

  return (request, reply, body) => {
    if (Number(request.headers['content-length'] ?? Infinity) <= LARGE_BODY_BYTES) return body;
    // The parsed events take room until they are committed.
    reply.raw.once('close', hold(principalOf(request).id));
    return withDeadline(body, timeoutMs);
  };
}

/** The body as a stream of its own, since the request's could not be ended with an answer. */
function withDeadline(body: Readable, timeoutMs: number): Readable {
  const timed = new PassThrough();
  const timer = setTimeout(() => {
    // The rest of the body would be read as the next request.
    timed.destroy(Object.assign(new BatchTimeout(), { headers: { connection: 'close' } }));
  }, timeoutMs).unref();
  timed.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer));
  body.once('error', (error) => timed.destroy(error));
  body.once('close', () => {
    if (!body.readableEnded) timed.destroy();
  });
  return body.pipe(timed);
}
