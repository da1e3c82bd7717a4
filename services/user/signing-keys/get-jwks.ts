import { hash } from 'node:crypto';
import { Type } from 'typebox';
import type { UserContext } from '../context.ts';

const jwksSchema = Type.Object({
  keys: Type.Array(
    Type.Object({
      kty: Type.String(),
      crv: Type.String(),
      x: Type.String(),
      kid: Type.String(),
      alg: Type.String(),
      use: Type.String(),
    }),
  ),
});

/**
 * `GET /.well-known/jwks.json` (RFC 7517): with it anyone can verify our tokens without asking us. A key stands here for as long as the one before it signs
 * before it signs itself, so a copy may be kept; what a copy does not know in time is that a key was compromised.
 */
export function getJwksRoute({ app, keys }: UserContext): void {
  app.route({
    method: 'GET',
    url: '/.well-known/jwks.json',
    schema: { response: { 200: jwksSchema, 304: Type.Null() } },
    config: { operation: 'keys.jwks', access: 'public' },
    handler: async (request, reply) => {
      const jwks = keys.jwks();
      const etag = `"${hash(
        'sha256',
        jwks.keys
          .map(({ kid }) => kid)
          .toSorted()
          .join(),
        'base64url',
      )}"`;
      reply.header('cache-control', 'public, max-age=300').header('etag', etag);
      // A list of tags or `*` is answered in full, which is always right (RFC 9110 §13.1.2).
      return request.headers['if-none-match'] === etag
        ? reply.code(304).send(null)
        : reply.send(jwks);
    },
  });
}
