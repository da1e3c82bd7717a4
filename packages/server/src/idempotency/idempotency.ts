import { timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { canonicalJson } from '@muniment/audit-events';
import { violatedUniqueConstraint } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import type { SessionCookies } from '@muniment/security';
import { repeat, type BackgroundLoop } from '../lifecycle/background-loops.ts';
import { IdempotencyAnswerGone, IdempotencyInProgress, IdempotencyKeyReused } from '../errors.ts';
import { callerOf } from '../auth/caller.ts';
import {
  claimScope,
  deleteExpiredAnswers,
  findAnswer,
  insertAnswer,
  loadIdempotencySecret,
  type StoredAnswer,
} from './answers.ts';
import { keyedHash, decryptAnswer, parseIdempotencyKey, encryptAnswer } from './encryption.ts';
import type {
  PendingCommit,
  RecordRequestEvent,
  RepeatableRequest,
} from '../audit/transactions.ts';

/** A POST with an Idempotency-Key, on its way. */
export interface IdempotentRequest extends RepeatableRequest {
  /** For routes whose content the handler reads: whether there is an answer under the key already. */
  readonly answered: boolean;
  /** States the content, before anything is committed. */
  identify(content: string): void;
  /** Gives the answer that is there. @throws IdempotencyKeyReused for another content, IdempotencyAnswerGone */
  replay(content: string): Promise<void>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `own`: what is sent has ids that do the same, or nothing is changed. `content`: the handler says what the content is, having read it. Absent: body and query. */
    idempotency?: 'own' | 'content';
    /** For answers that hold a token or a secret: whether it still counts. Giving such an answer again is an event. */
    replayWhile?: (answer: unknown, request: FastifyRequest) => Promise<boolean>;
  }
  interface FastifyRequest {
    /** Set while a POST with an Idempotency-Key is acted upon. */
    idempotency: IdempotentRequest | null;
  }
}

export interface IdempotencyOptions<DB> {
  db: Kysely<DB>;
  schema: string;
  masterKey: MasterKey;
  cookies: Pick<SessionCookies, 'refreshToken' | 'isForeignPage'>;
  record: RecordRequestEvent;
  ttlSeconds: number;
}

/** Of an answer's headers those that belong to it, and not to the connection or to this request. */
const KEPT_HEADERS = ['content-type', 'location', 'set-cookie', 'www-authenticate', 'link'];
const RETRY_AFTER_S = 1;
const inProgress = (): Error =>
  Object.assign(new IdempotencyInProgress(), { retryAfter: RETRY_AFTER_S });

interface Answer {
  status: number;
  headers: Record<string, string | string[]>;
  body: string | null;
}

function refreshCookieOf(
  cookies: IdempotencyOptions<unknown>['cookies'],
  request: FastifyRequest,
): string | null {
  try {
    return cookies.refreshToken(request) ?? null;
  } catch {
    return 'ambiguous';
  }
}

/** What of a request decides on its answer. Where nobody is signed in, a cookie may be all that is sent, and a page that is not ours gets nothing of what ours got. */
function contentOf(
  cookies: IdempotencyOptions<unknown>['cookies'],
  request: FastifyRequest,
): string {
  const anonymous =
    request.principal || request.viewer
      ? []
      : [refreshCookieOf(cookies, request), cookies.isForeignPage(request)];
  return canonicalJson([request.body ?? null, request.query ?? null, ...anonymous]);
}

const isPost = (method: string | string[]): boolean => [method].flat().includes('POST');

/**
 * Has every POST take an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the answer is kept in the very transaction of what it answers
 * (see `createTransactions`), so that there is never one without the other. What commits nothing keeps nothing and is done again. Register it behind
 * authentication and before any route.
 */
export function acceptIdempotencyKeys<DB>(
  app: FastifyInstance,
  { db, schema, masterKey, cookies, record, ttlSeconds }: IdempotencyOptions<DB>,
): void {
  let secret: Promise<Buffer> | undefined;
  const loadSecret = (): Promise<Buffer> => {
    secret ??= loadIdempotencySecret(db, schema, masterKey).catch((error: unknown) => {
      secret = undefined;
      throw error;
    });
    return secret;
  };
  /** Scopes that this replica acts under: refused before any work, of which a password's hash is the most. The transactions decide between replicas. */
  const underWay = new Set<string>();
  const finishers = new WeakMap<
    IdempotentRequest,
    (reply: FastifyReply, payload: unknown) => Promise<void>
  >();

  /** @returns whether the request has been answered */
  async function begin(request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
    const { config, url } = request.routeOptions;
    const key = parseIdempotencyKey(request.headers['idempotency-key'] ?? '');
    if (config.idempotency === 'own') return false;
    const serverSecret = await loadSecret();
    const scope = keyedHash(
      serverSecret,
      'scope',
      callerOf(request),
      `${request.method} ${url}`,
      canonicalJson(request.params ?? {}),
      key,
    );
    const name = scope.toString('hex');
    let content = config.idempotency === 'content' ? undefined : contentOf(cookies, request);
    if (underWay.has(name)) throw inProgress();
    // From here on nothing may throw until the request is known to hold the scope.
    underWay.add(name);
    let kept: StoredAnswer | undefined;
    const fingerprintOf = (text: string): Buffer => keyedHash(serverSecret, 'fingerprint', text);
    const fingerprint = (): Buffer => {
      if (content === undefined) throw new Error(`${url} commits before it has stated its content`);
      return fingerprintOf(content);
    };

    const repeatable: IdempotentRequest = {
      pending: undefined,
      get answered() {
        return kept !== undefined;
      },
      identify(text) {
        content = text;
      },
      async claim(trx) {
        const { free, fingerprint: other } = await claimScope(trx, schema, scope, ttlSeconds);
        if (other && !timingSafeEqual(other, fingerprint())) throw new IdempotencyKeyReused();
        if (!free || other) throw inProgress();
      },
      async replay(text) {
        if (!kept || !timingSafeEqual(kept.fingerprint, fingerprintOf(text)))
          throw new IdempotencyKeyReused();
        const { status, headers, body } = JSON.parse(
          decryptAnswer({ secret: serverSecret, key, content: text }, scope, kept.sealed),
        ) as Answer;
        if (config.replayWhile && status < 400) {
          if (!(await config.replayWhile(JSON.parse(body ?? 'null'), request)))
            throw new IdempotencyAnswerGone();
          // By itself: this event is about the replay, and is no part of what the key stands for.
          request.idempotency = null;
          underWay.delete(name);
          await record(request, {
            action: 'ANSWER_REPLAYED',
            user_id: request.principal?.id ?? kept.userId,
            metadata: { operation: config.operation ?? '' },
            ...(!request.principal && {
              subject: kept.userId === null ? { address: request.ip } : { userId: kept.userId },
            }),
          });
        }
        void reply
          .code(status)
          .headers({ ...headers, 'idempotent-replayed': 'true' })
          // As bytes: of a text Fastify would complete the media type.
          .send(body === null ? null : Buffer.from(body));
      },
    };
    finishers.set(repeatable, async (answered, payload) => {
      underWay.delete(name);
      const { pending } = repeatable;
      repeatable.pending = undefined;
      await pending?.end(outcomeOf(pending, answered, payload)).catch((error: unknown) => {
        throw violatedUniqueConstraint(error) === 'idempotency_keys_pkey' ? inProgress() : error;
      });
    });

    /** What becomes of a unit by its answer. */
    function outcomeOf(
      held: PendingCommit,
      answered: FastifyReply,
      payload: unknown,
    ): Parameters<PendingCommit['end']>[0] {
      const status = answered.statusCode;
      // A failure of ours is no answer to keep. A change goes with it, and the next try begins anew; what was only recorded has happened.
      if (status >= 500) return held.changes ? 'roll back' : 'commit';
      if (
        status === 429 ||
        (payload !== null && payload !== undefined && typeof payload !== 'string')
      )
        return 'commit';
      const headers = Object.fromEntries(
        KEPT_HEADERS.flatMap((header) => {
          const value = answered.getHeader(header);
          return value === undefined
            ? []
            : [[header, Array.isArray(value) ? value.map(String) : String(value)]];
        }),
      );
      const text = JSON.stringify({ status, headers, body: payload ?? null } satisfies Answer);
      const sealed = encryptAnswer(
        { secret: serverSecret, key, content: content ?? '' },
        scope,
        text,
      );
      const userId = request.principal?.id ?? held.userId;
      return insertAnswer(schema, { scope, fingerprint: fingerprint(), userId, sealed });
    }

    // From here on the end of the request frees the scope, however it ends.
    request.idempotency = repeatable;
    kept = await findAnswer(db, schema, scope, ttlSeconds);
    if (!kept || content === undefined) return false;
    await repeatable.replay(content);
    return true;
  }

  app.decorateRequest('idempotency', null);
  app.addHook('onRoute', (route) => {
    if (!isPost(route.method)) return;
    route.preHandler = [
      async (request, reply) => {
        if (request.headers['idempotency-key'] !== undefined && (await begin(request, reply)))
          return reply;
      },
      ...[route.preHandler ?? []].flat(),
    ];
    route.onSend = [
      async (request, reply, payload) => {
        const repeatable = request.idempotency;
        // Before the first byte of the answer, and once: a failure of the COMMIT is answered by way of this hook again.
        request.idempotency = null;
        if (repeatable) await finishers.get(repeatable)?.(reply, payload);
        return payload;
      },
      ...[route.onSend ?? []].flat(),
    ];
  });
}

const FORGET_PAUSE_MS = 60_000;
const FORGET_AT_ONCE = 1_000;

/** Deletes answers past their time, a bounded batch after the other. Every replica does it; none waits for another. */
export function deleteExpiredAnswersLoop<DB>(
  db: Kysely<DB>,
  schema: string,
  ttlSeconds: number,
  onError: (error: unknown) => void,
): BackgroundLoop {
  return repeat(
    'idempotency keys',
    FORGET_PAUSE_MS,
    async () => {
      while (
        (await deleteExpiredAnswers(db, schema, ttlSeconds, FORGET_AT_ONCE)) === FORGET_AT_ONCE
      );
    },
    onError,
  );
}
