import { Type } from 'typebox';
import { dateTime, defineRoute } from '@muniment/server';

const healthSchema = Type.Object({ status: Type.Literal('healthy'), timestamp: dateTime });

/** Answers that the gateway and a replica work (seed 001). */
export const getHealth = defineRoute({
  method: 'GET',
  url: '/health',
  operation: 'health.get_health',
  summary: 'Tell whether the product answers.',
  access: 'public',
  response: { 200: healthSchema },
  errors: [],
  handler: () => () => ({ status: 'healthy' as const, timestamp: new Date().toISOString() }),
});
