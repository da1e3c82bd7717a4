import { hash } from 'node:crypto';
import { Type } from 'typebox';
import { defineRoute } from '@muniment/server';
import type { UserContext } from '../context.ts';

const jwkSchema = Type.Object({
  kty: Type.String(),
  crv: Type.String(),
  x: Type.String(),
  kid: Type.String(),
  alg: Type.String(),
  use: Type.String(),
});

/**
 * Publishes the keys that verify our tokens (RFC 7517). Keys are here long before they sign, so
 * copies may be cached.
 */
export const getJwks = defineRoute({
  method: 'GET',
  url: '/.well-known/jwks.json',
  operation: 'signing-keys.get_jwks',
  summary: 'Get the public keys that verify access tokens.',
  access: 'public',
  response: { 200: Type.Object({ keys: Type.Array(jwkSchema) }), 304: Type.Null() },
  sends: { 200: ['ETag'] },
  errors: [],
  handler:
    ({ auth }: Pick<UserContext, 'auth'>) =>
    async (_request, reply) => {
      const jwks = auth.keys.jwks();
      const kids = jwks.keys.map(({ kid }) => kid).toSorted();
      const etag = `"${hash('sha256', kids.join(), 'base64url')}"`;
      reply.header('cache-control', 'public, max-age=300').header('etag', etag);
      return jwks;
    },
});
