import { Type } from 'typebox';
import type { UserServer } from '../user-server.ts';

const jwksSchema = Type.Object({
  keys: Type.Array(Type.Object({ kty: Type.String(), crv: Type.String(), x: Type.String(), kid: Type.String(), alg: Type.String(), use: Type.String() })),
});

/** `GET /.well-known/jwks.json` (RFC 7517): with it anyone can verify our tokens without asking us. */
export function getJwksRoute({ app, keys }: UserServer): void {
  app.route({
    method: 'GET',
    url: '/.well-known/jwks.json',
    schema: { response: { 200: jwksSchema } },
    config: { operation: 'keys.jwks', access: 'public' },
    handler: async (_request, reply) => reply.header('cache-control', 'public, max-age=300').send(keys.jwks()),
  });
}
