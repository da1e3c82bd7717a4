import type { FastifyError } from 'fastify';
import { Type, type Static } from 'typebox';
import { denialOf, isApiToken, PERMISSION_NAMES } from '@muniment/security';
import { defineRoute, strictObject } from '@muniment/server';
import { FormMalformed } from '../errors.ts';
import type { UserContext } from '../context.ts';
import { metadataSchema } from '../users/metadata/merge-metadata.ts';

const bodySchema = strictObject({
  token: Type.String({ minLength: 1 }),
  token_type_hint: Type.Optional(Type.String({ maxLength: 100 })),
});

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
  app_metadata: Type.Optional(metadataSchema),
  allowed_ips: Type.Optional(Type.Array(Type.String())),
});
type Auth = UserContext['auth'];
type Introspected = Static<typeof answerSchema>;

/** RFC 7662 §2.2: an invalid token gets no reason. */
const INACTIVE: Introspected = { active: false };

const seconds = (date: Date): number => Math.floor(date.getTime() / 1_000);

async function introspectApiToken({ apiTokens }: Auth, text: string): Promise<Introspected> {
  const found = await apiTokens.find(text);
  if (!found) return INACTIVE;
  const { id, userId, role, scopes, allowedIps, expiresAt } = found.token;
  const granted = scopes.filter((scope) => denialOf({ role, scopes }, scope) === undefined);
  return {
    active: true,
    scope: granted.join(' '),
    token_type: 'Bearer',
    kind: 'api_token',
    sub: userId,
    role,
    jti: id,
    exp: seconds(expiresAt),
    // Only the asking service knows the address that the token came from.
    ...(allowedIps.length > 0 && { allowed_ips: [...allowedIps] }),
  };
}

async function introspectAccessToken(
  { accessTokens, sessions, revocations, keys }: Auth,
  text: string,
): Promise<Introspected> {
  const claims = await accessTokens.verify(text).catch((error: FastifyError) => {
    if (error.statusCode === 401) return undefined;
    throw error;
  });
  if (!claims || (!revocations.isFresh() && !(await keys.revalidate(claims.kid)))) return INACTIVE;
  const { sub, sid, iss, aud, jti, iat, exp, app_metadata: appMetadata = null } = claims;
  const claim = { sessionId: sid, userId: sub, role: claims.role, appMetadata };
  const session = await sessions.isLive(claim);
  if (!session.live) return INACTIVE;
  const { role } = session;
  const scope = PERMISSION_NAMES.filter(
    (permission) => denialOf({ role, scopes: null }, permission) === undefined,
  ).join(' ');
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
    ...(appMetadata && { app_metadata: appMetadata }),
  };
}

/** Introspects a token for another service (RFC 7662). Refresh tokens are never active. */
export const introspectToken = defineRoute({
  method: 'POST',
  url: '/api/auth/introspect',
  operation: 'api-tokens.introspect_token',
  summary: 'Tell whether a token is valid.',
  access: { permission: 'tokens:introspect' },
  body: bodySchema,
  media: { 'application/x-www-form-urlencoded': bodySchema },
  response: { 200: answerSchema },
  errors: [FormMalformed],
  limit: 'introspection',
  idempotency: 'own',
  handler:
    ({ auth }: Pick<UserContext, 'auth'>) =>
    (request) => {
      const { token } = request.body;
      return isApiToken(token)
        ? introspectApiToken(auth, token)
        : introspectAccessToken(auth, token);
    },
});
