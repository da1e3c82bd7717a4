import type { FastifyError } from 'fastify';
import { Type, type Static } from 'typebox';
import {
  denialOf,
  isApiToken,
  PERMISSIONS,
  isPermission,
  type Permission,
} from '@muniment/security';
import { FormMalformed } from '../errors.ts';
import type { UserContext } from '../context.ts';

const bodySchema = Type.Object(
  {
    token: Type.String({ minLength: 1 }),
    token_type_hint: Type.Optional(Type.String({ maxLength: 100 })),
  },
  { additionalProperties: false },
);

const answerSchema = Type.Object({
  active: Type.Boolean(),
  scope: Type.Optional(Type.String()),
  token_type: Type.Optional(Type.String()),
  kind: Type.Optional(Type.String()),
  sub: Type.Optional(Type.String()),
  role: Type.Optional(Type.String()),
  iss: Type.Optional(Type.String()),
  aud: Type.Optional(Type.String()),
  sid: Type.Optional(Type.String()),
  jti: Type.Optional(Type.String()),
  iat: Type.Optional(Type.Integer()),
  exp: Type.Optional(Type.Integer()),
  allowed_ips: Type.Optional(Type.Array(Type.String())),
});
type Introspected = Static<typeof answerSchema>;

/** RFC 7662 §2.2: nothing is told of a token that does not count, not even why. */
const INACTIVE: Introspected = { active: false };

const everyPermission: readonly Permission[] = Object.keys(PERMISSIONS).filter(isPermission);
const seconds = (date: Date): number => Math.floor(date.getTime() / 1_000);

async function introspectApiToken({ apiTokens }: UserContext, text: string): Promise<Introspected> {
  const found = await apiTokens.find(text);
  if (!found) return INACTIVE;
  const { id, userId, role, scopes, allowedIps, expiresAt } = found.token;
  const counting = scopes.filter((scope) => denialOf({ role, scopes }, scope) === undefined);
  return {
    active: true,
    scope: counting.join(' '),
    token_type: 'Bearer',
    kind: 'api_token',
    sub: userId,
    role,
    jti: id,
    exp: seconds(expiresAt),
    // The address that the token was shown from is known to who asks, not to us.
    ...(allowedIps.length > 0 && { allowed_ips: [...allowedIps] }),
  };
}

async function introspectAccessToken(
  { app, sessions, revocations, keys }: UserContext,
  text: string,
): Promise<Introspected> {
  const claims = await app.accessTokens.verify(text).catch((error: FastifyError) => {
    if (error.statusCode === 401) return undefined;
    throw error;
  });
  if (!claims || (!revocations.isFresh() && !(await keys.revalidate(claims.kid)))) return INACTIVE;
  const { sub, sid, iss, aud, jti, iat, exp } = claims;
  const session = await sessions.isLive({ sessionId: sid, userId: sub, role: claims.role });
  if (!session.live) return INACTIVE;
  const { role } = session;
  const scope = everyPermission
    .filter((permission) => denialOf({ role, scopes: null }, permission) === undefined)
    .join(' ');
  return {
    active: true,
    scope,
    token_type: 'Bearer',
    kind: 'access_token',
    sub,
    role,
    iss,
    aud,
    sid,
    jti,
    iat,
    exp,
  };
}

/**
 * `POST /api/auth/introspect` (RFC 7662): whether a token that a customer's own service was shown counts, and for what. A refresh token never does:
 * it is for this service alone, and whoever shows one elsewhere has lost it.
 */
export function introspectTokenRoute(server: UserContext): void {
  void server.app.register(async (scope) => {
    // RFC 7662 §2.1 wants a form, which nothing else here takes; RFC 6749 §3.1: no parameter twice.
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      (_request, body, done) => {
        const form = [...new URLSearchParams(String(body))];
        const fields = Object.fromEntries(form);
        if (Object.keys(fields).length !== form.length) done(new FormMalformed());
        else done(null, fields);
      },
    );
    scope.route({
      method: 'POST',
      url: '/api/auth/introspect',
      schema: { body: bodySchema, response: { 200: answerSchema } },
      config: {
        operation: 'token.introspect',
        limit: 'introspection',
        access: { permission: 'tokens:introspect' },
        idempotency: 'own',
      },
      handler: (request) => {
        const { token } = request.body as Static<typeof bodySchema>;
        return isApiToken(token)
          ? introspectApiToken(server, token)
          : introspectAccessToken(server, token);
      },
    });
  });
}
