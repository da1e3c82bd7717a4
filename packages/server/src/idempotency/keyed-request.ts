import { timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Kysely, Transaction } from 'kysely';
import { violatedUniqueConstraint } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import type { SessionCookies } from '@muniment/security';
import type {
  PendingCommit,
  RecordRequestEvent,
  RepeatableRequest,
} from '../audit/transactions.ts';
import { IdempotencyAnswerGone, IdempotencyInProgress, IdempotencyKeyReused } from '../errors.ts';
import { claimScope, insertAnswer, type StoredAnswer } from './answers.ts';
import { decryptAnswer, encryptAnswer, keyedHash } from './encryption.ts';

/** A POST with an Idempotency-Key, in progress. */
export interface IdempotentRequest extends RepeatableRequest {
  /** Whether the key has an answer already. For routes whose handler reads the content. */
  readonly answered: boolean;
  /** States the content, before anything is committed. */
  identify(content: string): void;
  /** Sends the stored answer. @throws IdempotencyKeyReused, IdempotencyAnswerGone */
  replay(content: string): Promise<void>;
}

export interface IdempotencyOptions<DB> {
  db: Kysely<DB>;
  schema: string;
  masterKey: MasterKey;
  cookies: Pick<SessionCookies, 'refreshToken' | 'isForeignPage'>;
  record: RecordRequestEvent;
  ttlSeconds: number;
}

/** One request under its key. */
export interface KeyedRequest {
  request: FastifyRequest;
  reply: FastifyReply;
  key: string;
  secret: Buffer;
  /** HMAC of caller, route and key. */
  scope: Buffer;
  /** Undefined until the handler states it, where the route has `idempotency: 'content'`. */
  content: string | undefined;
  stored: StoredAnswer | undefined;
  /** Lets this replica admit the scope again. */
  release(): void;
}

interface Answer {
  status: number;
  headers: Record<string, string | string[]>;
  body: string | null;
}

/** Headers that belong to the answer, not to the connection or the request. */
const STORED_HEADERS = [
  'audit-event',
  'content-type',
  'etag',
  'last-modified',
  'link',
  'location',
  'set-cookie',
  'www-authenticate',
];
const RETRY_AFTER_S = 1;

export const inProgress = (): Error =>
  Object.assign(new IdempotencyInProgress(), { retryAfter: RETRY_AFTER_S });

/** What handlers and transactions see of a request under its key. */
export function createIdempotentRequest<DB>(
  options: IdempotencyOptions<DB>,
  keyed: KeyedRequest,
): IdempotentRequest {
  return {
    pending: undefined,
    get answered() {
      return keyed.stored !== undefined;
    },
    identify(content) {
      keyed.content = content;
    },
    claim: (trx) => claim(options, keyed, trx),
    replay: (content) => replay(options, keyed, content),
  };
}

async function claim<DB, Other>(
  { schema, ttlSeconds }: IdempotencyOptions<DB>,
  keyed: KeyedRequest,
  trx: Transaction<Other>,
): Promise<void> {
  const { free, fingerprint } = await claimScope(trx, { schema, scope: keyed.scope, ttlSeconds });
  if (fingerprint && !timingSafeEqual(fingerprint, fingerprintOf(keyed, contentOf(keyed))))
    throw new IdempotencyKeyReused();
  if (!free || fingerprint) throw inProgress();
}

async function replay<DB>(
  options: IdempotencyOptions<DB>,
  keyed: KeyedRequest,
  content: string,
): Promise<void> {
  const { request, reply, secret, key, scope, stored } = keyed;
  if (!stored || !timingSafeEqual(stored.fingerprint, fingerprintOf(keyed, content)))
    throw new IdempotencyKeyReused();
  const { replayWhile } = request.routeOptions.config;
  const { status, headers, body } = JSON.parse(
    decryptAnswer({ secret, key, content }, scope, stored.sealed),
  ) as Answer;
  if (replayWhile && status < 400) {
    if (!(await replayWhile(JSON.parse(body ?? 'null'), request)))
      throw new IdempotencyAnswerGone();
    await recordReplay(options, keyed, stored.userId);
  }
  void reply
    .code(status)
    .headers({ ...headers, 'idempotent-replayed': 'true' })
    // As bytes: Fastify would complete the media type of a text.
    .send(body === null ? null : Buffer.from(body));
}

async function recordReplay<DB>(
  { record }: IdempotencyOptions<DB>,
  { request, release }: KeyedRequest,
  userId: string | null,
): Promise<void> {
  // The event is about the replay, so it must not run as a part of the keyed request.
  request.idempotency = null;
  release();
  await record(request, {
    action: 'ANSWER_REPLAYED',
    user_id: request.principal?.id ?? userId,
    metadata: { operation: request.routeOptions.config.operation ?? '' },
    ...(!request.principal && { subject: userId === null ? { address: request.ip } : { userId } }),
  });
}

/** Commits or rolls back what the request has done, and stores its answer in the same commit. */
export async function finishKeyedRequest(
  schema: string,
  keyed: KeyedRequest,
  { repeatable, payload }: { repeatable: IdempotentRequest; payload: unknown },
): Promise<void> {
  keyed.release();
  const { pending } = repeatable;
  repeatable.pending = undefined;
  await pending?.end(outcomeOf(schema, keyed, { pending, payload })).catch((error: unknown) => {
    throw violatedUniqueConstraint(error) === 'idempotency_keys_pkey' ? inProgress() : error;
  });
}

function outcomeOf(
  schema: string,
  keyed: KeyedRequest,
  { pending, payload }: { pending: PendingCommit; payload: unknown },
): Parameters<PendingCommit['end']>[0] {
  const { request, reply, secret, key, scope } = keyed;
  const status = reply.statusCode;
  // A failure of the server is not stored: a change rolls back so the next attempt starts anew.
  // A record without a change has happened either way.
  if (status >= 500) return pending.changes ? 'roll back' : 'commit';
  const storable = payload === null || payload === undefined || typeof payload === 'string';
  if (status === 429 || !storable) return 'commit';
  const content = contentOf(keyed);
  const answer: Answer = { status, headers: storedHeaders(reply), body: payload ?? null };
  return insertAnswer(schema, {
    scope,
    fingerprint: fingerprintOf(keyed, content),
    userId: request.principal?.id ?? pending.userId,
    sealed: encryptAnswer({ secret, key, content }, scope, JSON.stringify(answer)),
  });
}

function storedHeaders(reply: FastifyReply): Answer['headers'] {
  const headers: Answer['headers'] = {};
  for (const name of STORED_HEADERS) {
    const value = reply.getHeader(name);
    if (value !== undefined)
      headers[name] = Array.isArray(value) ? value.map(String) : String(value);
  }
  return headers;
}

function contentOf({ content, request }: KeyedRequest): string {
  if (content !== undefined) return content;
  throw new Error(`${request.routeOptions.url} commits before it has stated its content`);
}

const fingerprintOf = ({ secret }: KeyedRequest, content: string): Buffer =>
  keyedHash(secret, 'fingerprint', content);
