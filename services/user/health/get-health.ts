import { Type } from 'typebox';
import type { UserContext } from '../context.ts';

const healthSchema = Type.Object({
  status: Type.Literal('healthy'),
  timestamp: Type.String({ format: 'date-time' }),
});

/** `GET /health`, as seed 001 shows it: the gateway and a replica behind it answer. */
export function getHealthRoute({ app }: UserContext): void {
  app.route({
    method: 'GET',
    url: '/health',
    schema: { response: { 200: healthSchema } },
    config: { operation: 'health', access: 'public' },
    handler: () => ({ status: 'healthy' as const, timestamp: new Date().toISOString() }),
  });
}
