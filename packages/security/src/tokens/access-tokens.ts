import { hash, randomUUID } from 'node:crypto';
import fastifyJwt from '@fastify/jwt';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { LRUCache } from 'lru-cache';
import { Unauthenticated } from '../errors.ts';
import type { Role } from '../permissions.ts';
import type { PublicKeyRing } from '../keys/public-key-ring.ts';
import type { VerificationKey } from '../keys/read-keys.ts';
import { type AccessTokenClaims, type AppMetadata, hasExpired, isClaims, kidOf } from './claims.ts';
import { createServiceTokens, type ServiceTokens } from './service-tokens.ts';

export interface IssuedAccessToken {
  token: string;
  tokenId: string;
  /** Seconds. */
  expiresIn: number;
  expiresAt: Date;
}

export interface TokenSubject {
  userId: string;
  sessionId: string;
  role: Role;
  /** When the session ends if it is not used again. */
  sessionExpiresAt: Date;
  /** Absent or null: no claim. */
  appMetadata?: AppMetadata | null;
}

export interface AccessTokens {
  /**
   * Signs a token that does not outlive its session, whose expiry nothing announces.
   * @throws Error when the app has no `signing` key
   */
  issue(subject: TokenSubject): IssuedAccessToken;
  /**
   * The claims of an unexpired token of this deployment. The session is not checked.
   * @throws Unauthenticated, DependencyUnavailable when the keys cannot be read
   */
  verify(token: string): Promise<AccessTokenClaims>;
}

/** A key that signs access tokens. Only the user service holds one. */
export interface SigningKey {
  kid: string;
  algorithm: 'EdDSA';
  privatePem: string;
}

/** A function is called for each token, so that a compromised key is replaced at once. */
export type SigningKeySource = SigningKey | (() => SigningKey);

export interface AccessTokenOptions {
  keys: PublicKeyRing;
  issuer: string;
  audience: string;
  /** Only where tokens are issued. */
  signing?: { key: SigningKeySource; ttlSeconds: number };
  /** Most verified tokens in the cache; about 1 KB each. */
  cacheSize?: number;
}

declare module 'fastify' {
  interface FastifyInstance {
    accessTokens: AccessTokens;
    serviceTokens: ServiceTokens;
  }
}

interface VerifiedToken {
  claims: AccessTokenClaims;
  key: VerificationKey;
}

/** Our tokens have about 600 characters, with app_metadata 1,300. Longer texts are rejected unparsed. */
const MAX_TOKEN_LENGTH = 4_096;
/**
 * The one spelling of a token. The last letter of a signature of 64 bytes holds two bits. Decoders
 * ignore its other four and foreign letters, so one token would have many names.
 */
const SPELLING = /^[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]$/;

const currentKey = (source: SigningKeySource): SigningKey =>
  typeof source === 'function' ? source() : source;

async function findKey(keys: PublicKeyRing, decoded: unknown): Promise<VerificationKey> {
  const kid = kidOf(decoded);
  const key = kid === undefined ? undefined : await keys.get(kid);
  if (!key) throw new Unauthenticated();
  return key;
}

/** Registers @fastify/jwt with algorithm, issuer and audience pinned. */
async function registerJwt(
  app: FastifyInstance,
  { keys, issuer, audience }: AccessTokenOptions,
  signingKey: SigningKey | undefined,
): Promise<void> {
  await app.register(fastifyJwt, {
    secret: {
      public: async (_request: FastifyRequest, decoded: unknown) =>
        (await findKey(keys, decoded)).pem,
      ...(signingKey && { private: signingKey.privatePem }),
    },
    decode: { complete: true },
    ...(signingKey && {
      sign: { algorithm: 'EdDSA', kid: signingKey.kid, iss: issuer, aud: audience },
    }),
    verify: {
      algorithms: ['EdDSA'],
      allowedIss: issuer,
      allowedAud: audience,
      requiredClaims: ['kid', 'iss', 'aud', 'sub', 'sid', 'jti', 'iat', 'exp', 'role'],
      checkTyp: 'JWT',
      cache: false,
    },
  });
}

function createIssuer(
  app: FastifyInstance,
  signing: AccessTokenOptions['signing'],
  firstKid: string | undefined,
): AccessTokens['issue'] {
  return ({ userId, sessionId, role, sessionExpiresAt, appMetadata }) => {
    if (!signing) throw new Error('this service was given no signing key');
    const key = currentKey(signing.key);
    const issuedAt = Math.floor(Date.now() / 1_000);
    const exp = Math.min(
      issuedAt + signing.ttlSeconds,
      Math.floor(sessionExpiresAt.getTime() / 1_000),
    );
    const tokenId = randomUUID();
    // The signer of the first key is made once; options make one for each token.
    const options = key.kid === firstKid ? undefined : { key: key.privatePem, kid: key.kid };
    const token = app.jwt.sign(
      {
        kid: key.kid,
        sub: userId,
        sid: sessionId,
        jti: tokenId,
        role,
        iat: issuedAt,
        exp,
        ...(appMetadata && { app_metadata: appMetadata }),
      },
      options,
    );
    return {
      token,
      tokenId,
      expiresIn: Math.max(0, exp - issuedAt),
      expiresAt: new Date(exp * 1_000),
    };
  };
}

async function verifySignature(
  app: FastifyInstance,
  keys: PublicKeyRing,
  token: string,
): Promise<VerifiedToken> {
  let decoded: unknown;
  try {
    decoded = app.jwt.decode(token);
  } catch (cause) {
    throw new Unauthenticated({ cause });
  }
  const key = await findKey(keys, decoded);
  let claims: unknown;
  try {
    claims = app.jwt.verify(token, { key: key.pem });
  } catch (cause) {
    throw new Unauthenticated({ cause });
  }
  // Cookies hold payload and signature; the header comes from the claim, so both must agree.
  if (!isClaims(claims) || claims.kid !== key.kid) throw new Unauthenticated();
  return { claims, key };
}

/**
 * Caches verified tokens by SHA-256: a heap dump shows none, and a hit costs 0.8 µs.
 * The cache of @fastify/jwt costs 6.4 µs, an Ed25519 check 70 to 90 µs.
 */
function createVerifier(
  app: FastifyInstance,
  keys: PublicKeyRing,
  cacheSize: number,
): AccessTokens['verify'] {
  const verified = new LRUCache<string, VerifiedToken>({ max: cacheSize });
  return async (token) => {
    if (token.length > MAX_TOKEN_LENGTH || !SPELLING.test(token)) throw new Unauthenticated();
    const digest = hash('sha256', token, 'base64');
    let entry = verified.get(digest);
    // A compromised key leaves the ring, which invalidates its cached tokens.
    if (!entry || !keys.has(entry.key)) {
      entry = await verifySignature(app, keys, token);
      verified.set(digest, entry);
    }
    if (hasExpired(entry.claims)) {
      verified.delete(digest);
      throw new Unauthenticated();
    }
    return entry.claims;
  };
}

/** Decorates the app with `accessTokens` and `serviceTokens`. */
export const accessTokens = fp<AccessTokenOptions>(
  async (app, options) => {
    const { keys, signing, cacheSize = 10_000 } = options;
    const firstKey = signing && currentKey(signing.key);
    await registerJwt(app, options, firstKey);
    app.decorate('accessTokens', {
      issue: createIssuer(app, signing, firstKey?.kid),
      verify: createVerifier(app, keys, cacheSize),
    });
    const findPem = async (decoded: unknown) => (await findKey(keys, decoded)).pem;
    const sign = signing && (() => currentKey(signing.key));
    app.decorate(
      'serviceTokens',
      createServiceTokens(app, { issuer: options.issuer, findPem, sign }),
    );
  },
  { name: '@muniment/access-tokens', fastify: '5.x' },
);
