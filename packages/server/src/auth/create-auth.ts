import type { FastifyBaseLogger } from 'fastify';
import type { Kysely } from 'kysely';
import type { Registry } from 'prom-client';
import { isDatabaseUnavailable } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import {
  authentication,
  createApiTokenLookup,
  createLastSeen,
  createPublicKeyRing,
  createRevalidatePrincipal,
  createRevocations,
  createSessionCookies,
  createSessionLookup,
  loadPublicKeys,
  queryApiTokens,
  queryLiveSessions,
  touchApiTokens,
  touchSessions,
  type ApiTokenLookup,
  type LastSeen,
  type PublicKeyRing,
  type RevalidatePrincipal,
  type Revocations,
  type SessionCookies,
  type SessionLookup,
  type ViewerLookup,
} from '@muniment/security';
import type { App } from '../http/create-app.ts';
import { ownOrigins, type ServerConfig } from '../lifecycle/config.ts';
import type { Jobs } from '../lifecycle/jobs.ts';
import type { RequestCount } from '../limits/request-limit.ts';
import { flushLastSeen } from './flush-last-seen.ts';
import type { RecordDenial } from '../limits/record-denial.ts';
import { createRevocationFeed, type Channel, type RevocationFeed } from './revocation-feed.ts';
import { measureRevocations } from './revocation-metrics.ts';
import { createSigning, type Signing } from './signing.ts';

/** How this replica knows callers: by sessions, API tokens and public keys. */
export interface Auth {
  sessions: SessionLookup;
  sessionsLastSeen: LastSeen;
  apiTokens: ApiTokenLookup;
  apiTokensLastSeen: LastSeen;
  cookies: SessionCookies;
  keys: PublicKeyRing;
  /** Revocations as the feed has them; `isFresh` says whether they may be believed. */
  revocations: Revocations;
  /** Whether the caller of something long may go on, and as what. */
  revalidate: RevalidatePrincipal;
}

/** What a service adds to authentication. */
export interface AuthOptions<DB> {
  /** Only where viewer tokens are accepted. */
  viewers?: (db: Kysely<DB>) => ViewerLookup;
  /** Only where tokens are issued. Called again when the key may no longer sign. */
  signing?: (db: Kysely<DB>, masterKey: MasterKey) => Promise<Signing>;
}

interface AuthParts<DB> extends AuthOptions<DB> {
  db: Kysely<DB>;
  config: ServerConfig;
  log: FastifyBaseLogger;
  jobs: Jobs;
  /** Another channel that the feed's connection hears. */
  channel: Channel;
}

/** Opens what authentication reads. `start` follows the revocations, `close` ends that. */
export function openAuth<DB>({ db, config, log, jobs, channel }: AuthParts<DB>): {
  auth: Auth;
  feed: RevocationFeed;
  close(): Promise<void>;
} {
  const keys = createPublicKeyRing({
    load: () => loadPublicKeys(db),
    isUnavailable: isDatabaseUnavailable,
    onError: (error) => log.warn({ err: error }, 'public keys could not be read again'),
  });
  const revocations = createRevocations();
  revocations.onAdd(({ kind, id }) => {
    if (kind === 'key') keys.revoke(id);
  });
  const feed = createRevocationFeed({
    url: config.DATABASE_DIRECT_URL ?? config.DATABASE_URL,
    applicationName: `muniment-${config.REPLICA}-feed`,
    revocations,
    channel,
    log,
  });
  const lookup = { revocations, isUnavailable: isDatabaseUnavailable };
  const sessions = createSessionLookup({ ...lookup, query: queryLiveSessions(db) });
  const apiTokens = createApiTokenLookup({ ...lookup, query: queryApiTokens(db) });
  const auth: Auth = {
    sessions,
    sessionsLastSeen: createLastSeen({ touch: touchSessions(db) }),
    apiTokens,
    apiTokensLastSeen: createLastSeen({ touch: touchApiTokens(db) }),
    cookies: createSessionCookies({
      hostPrefix: config.COOKIE_HOST_PREFIX,
      origins: ownOrigins(config),
    }),
    keys,
    revocations,
    revalidate: createRevalidatePrincipal({ sessions, apiTokens, revocations, keys }),
  };
  jobs.add(flushLastSeen('sessions', auth.sessionsLastSeen, log));
  jobs.add(flushLastSeen('API tokens', auth.apiTokensLastSeen, log));
  return {
    auth,
    feed,
    async close() {
      await feed.stop();
      keys.close();
    },
  };
}

interface AuthenticationParts<DB> extends Omit<AuthParts<DB>, 'channel'> {
  masterKey: MasterKey;
  limits: RequestCount;
  recordDenial: RecordDenial;
}

/** Makes the app authenticate and count each request, and records refusals to known callers. */
export async function authenticateRequests<DB>(
  app: App,
  auth: Auth,
  parts: AuthenticationParts<DB>,
): Promise<void> {
  const { db, config, log, masterKey, limits, recordDenial, signing: load, viewers } = parts;
  const signing = load && (await createSigning(() => load(db, masterKey), auth.keys, log));
  if (signing) auth.keys.onRead(() => void signing.renew());
  await app.register(authentication, {
    keys: auth.keys,
    sessions: auth.sessions,
    revocations: auth.revocations,
    lastSeen: auth.sessionsLastSeen,
    cookies: auth.cookies,
    apiTokens: { lookup: auth.apiTokens, lastSeen: auth.apiTokensLastSeen },
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    ...(signing && { signing }),
    ...(viewers && { viewers: viewers(db) }),
    onCaller: (request) => limits.countRequest(request),
    onRejected: (request) => limits.countRejection(request),
    onDenied: (request, denied) => {
      const { operation = '' } = request.routeOptions.config;
      return recordDenial(request, { ...denied, operation });
    },
  });
}

export function measureAuth(metrics: Registry, auth: Auth, feed: RevocationFeed): void {
  measureRevocations(metrics, { revocations: auth.revocations, feed, sessions: auth.sessions });
}
