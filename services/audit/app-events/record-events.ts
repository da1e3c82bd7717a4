import type { Readable } from 'node:stream';
import type { FastifySchemaCompiler } from 'fastify';
import { Type } from 'typebox';
import { createConcurrencyLimit, principalOf } from '@muniment/security';
import { defineRoute, uuid, type App } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import {
  BatchCapacity,
  BatchTimeout,
  EventIdReused,
  EventTooLarge,
  TooManyBatches,
} from '../errors.ts';
import { createBodyRoom } from './body-room.ts';
import { acceptEvents } from './accept-events.ts';
import { appEventsBodySchema } from './app-event.ts';
import { createBodyCheck, type EventsBody } from './check-body.ts';

/** 500 events of 16 KiB, and JSON's own characters. */
const BODY_LIMIT = 9 * 1024 * 1024;
/** A batch costs CPU time and thousands of locks, so only a few run beside other requests. */
const MAX_RUNNING_BATCHES = 4;
const MAX_WAITING_BATCHES = 100;
/** 24 of 9 MiB are well below a replica's memory, and 8 of one caller well below all. */
const LARGE_BODIES = { max: 24, maxPerCaller: 8, timeoutMs: 60_000 };

const acceptedSchema = Type.Object({
  data: Type.Array(
    Type.Object({
      id: Type.String(),
      event_id: uuid,
      status: Type.Union([Type.Literal('created'), Type.Literal('duplicate')]),
    }),
  ),
});

/** Records a customer's own events. The answer means that all are committed; an error, none. */
export const recordEvents = defineRoute({
  method: 'POST',
  url: '/api/audit/events',
  operation: 'app-events.record_events',
  summary: "Record one event or a batch of a customer's own events.",
  access: { permission: 'audit:write-events' },
  body: appEventsBodySchema,
  response: { 200: acceptedSchema, 201: acceptedSchema },
  errors: [BatchCapacity, BatchTimeout, EventIdReused, EventTooLarge, TooManyBatches],
  idempotency: 'own',
  options: (_context: unknown, app) => {
    const admit = createBodyRoom(LARGE_BODIES);
    return {
      bodyLimit: BODY_LIMIT,
      preParsing: async (request, reply, body) => admit(request, reply, body as Readable),
      validatorCompiler: compileBodyCheck(app),
    };
  },
  handler: (context: Pick<AuditContext, 'data' | 'audit' | 'crypto' | 'searchTerms'>) => {
    const relay = context.audit.addOutbox({ schema: 'app', source: 'app' });
    const limit = createConcurrencyLimit({
      concurrency: MAX_RUNNING_BATCHES,
      queueLimit: MAX_WAITING_BATCHES,
    });
    return async (request, reply) => {
      // The body's own check puts the events in this form.
      const body = request.body as unknown as EventsBody;
      const { id: userId, apiToken } = principalOf(request);
      const recorder = {
        userId,
        apiTokenId: apiToken?.id,
        requestId: request.id,
        traceparent: request.traceparent,
      };
      const data = await limit.run(() => acceptEvents(context, body, recorder));
      relay.wake();
      context.audit.activity.recorded();
      const isAnyNew = data.some(({ status }) => status === 'created');
      return reply.code(isAnyNew ? 201 : 200).send({ data });
    };
  },
});

/** The body is checked event by event; the rest of the request as everywhere. */
function compileBodyCheck({ validatorCompiler }: App): FastifySchemaCompiler<object> {
  if (!validatorCompiler) throw new Error('the app has no validator compiler');
  return (route) =>
    route.httpPart === 'body' ? createBodyCheck(validatorCompiler) : validatorCompiler(route);
}
