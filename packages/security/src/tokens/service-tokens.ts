import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { Unauthenticated } from '../errors.ts';
import type { Principal } from '../principal.ts';
import type { SigningKey } from './access-tokens.ts';

/** What the user service asks another service to do for a caller whom it has admitted. */
export interface ServiceCall {
  /** The service that may do it. */
  audience: 'file';
  /** The only operation that the token allows. */
  operation: string;
  /** For whom it is done. The service revalidates the credential. */
  caller: Principal;
  /** The client's, as events record them. */
  ip: string;
  userAgent: string | null;
  requestId: string;
  traceparent: string | null;
  /** What the operation may do, in its own terms. */
  grant: Readonly<Record<string, unknown>>;
}

export interface ServiceTokens {
  /** Signs a call. @throws Error where the service has no signing key */
  issue(call: ServiceCall): string;
  /** The call of a token for this very operation. @throws Unauthenticated, DependencyUnavailable */
  verify(
    token: string,
    wanted: Pick<ServiceCall, 'audience' | 'operation'>,
  ): Promise<Omit<ServiceCall, 'audience' | 'operation'>>;
}

/** RFC 8725 §3.11: by its type no token passes for one of another kind. */
const TYPE = 'muniment-service+jwt';
const audienceOf = (service: string): string => `muniment-service:${service}`;
/** The token is checked before the body is read, so it need not outlive an upload. */
const LIFETIME_S = 30;
const MAX_TOKEN_LENGTH = 8_192;

interface ServiceTokenOptions {
  issuer: string;
  /** The public key that a decoded token names. @throws Unauthenticated, DependencyUnavailable */
  findPem(decoded: unknown): Promise<string>;
  /** Only where tokens are issued. */
  sign: (() => SigningKey) | undefined;
}

/** Tokens between services, signed with the key of the access tokens and verified as they are. */
export function createServiceTokens(
  app: FastifyInstance,
  { issuer, findPem, sign }: ServiceTokenOptions,
): ServiceTokens {
  return {
    issue({ audience, operation, ...call }) {
      if (!sign) throw new Error('this service was given no signing key');
      const { kid, privatePem } = sign();
      const iat = Math.floor(Date.now() / 1_000);
      const claims = { jti: randomUUID(), iat, exp: iat + LIFETIME_S, operation, call };
      const options = { key: privatePem, kid, typ: TYPE, aud: audienceOf(audience), iss: issuer };
      return app.jwt.sign(claims, options);
    },
    async verify(token, { audience, operation }) {
      if (token.length > MAX_TOKEN_LENGTH) throw new Unauthenticated();
      try {
        const key = await findPem(app.jwt.decode(token, { complete: true }));
        const claims = app.jwt.verify<{ operation: string; call: JsonCall }>(token, {
          key,
          allowedAud: audienceOf(audience),
          allowedIss: issuer,
          checkTyp: TYPE,
          requiredClaims: ['iss', 'aud', 'jti', 'iat', 'exp', 'operation', 'call'],
        });
        if (claims.operation === operation) return toCall(claims.call);
      } catch (cause) {
        if (isOutage(cause)) throw cause;
        throw new Unauthenticated({ cause });
      }
      throw new Unauthenticated();
    },
  };
}

type JsonCall = Omit<ServiceCall, 'audience' | 'operation' | 'caller'> & {
  caller: Principal & { expiresAt: string };
};

/** JSON has no dates, and another process's clock tells nothing: the API token is asked anew. */
function toCall(call: JsonCall): Omit<ServiceCall, 'audience' | 'operation'> {
  const { caller } = call;
  const expiresAt = new Date(caller.expiresAt);
  return {
    ...call,
    caller:
      caller.apiToken === null
        ? { ...caller, expiresAt }
        : { ...caller, expiresAt, apiToken: { ...caller.apiToken, askedAt: -Infinity } },
  };
}

const isOutage = (error: unknown): boolean =>
  error instanceof Error && 'statusCode' in error && error.statusCode === 503;
