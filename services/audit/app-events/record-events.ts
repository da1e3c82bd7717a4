import { Type } from 'typebox';
import { createConcurrencyLimit, principalOf } from '@muniment/security';
import { acceptEvents } from './accept-events.ts';
import { appEventsBodySchema } from './app-event.ts';
import { createBodyCheck, type EventsBody } from './check-body.ts';
import type { AuditContext } from '../context.ts';

/** 500 events of 16 KiB, and what JSON needs around them. */
const BODY_LIMIT = 9 * 1024 * 1024;
/** A batch is CPU and thousands of locks: those that run share the machine with every other request. */
const AT_ONCE = 4;
const MAY_WAIT = 100;

const acceptedSchema = Type.Object({
  data: Type.Array(
    Type.Object({
      id: Type.String(),
      event_id: Type.String({ format: 'uuid' }),
      status: Type.Union([Type.Literal('created'), Type.Literal('duplicate')]),
    }),
  ),
});

/** `POST /api/audit/events`: a customer's own events, one or a batch; all are recorded when this answers, or none. */
export function recordEventsRoute(server: AuditContext): void {
  const { app } = server;
  const { validatorCompiler } = app;
  if (!validatorCompiler) throw new Error('the app has no validator compiler');
  const relay = server.addOutbox({ schema: 'app', source: 'app' });
  const gate = createConcurrencyLimit({ concurrency: AT_ONCE, queueLimit: MAY_WAIT });
  app.route({
    method: 'POST',
    url: '/api/audit/events',
    bodyLimit: BODY_LIMIT,
    schema: { body: appEventsBodySchema, response: { 200: acceptedSchema, 201: acceptedSchema } },
    validatorCompiler: () => createBodyCheck(validatorCompiler),
    config: {
      operation: 'audit.record',
      access: { permission: 'audit:write-events' },
      idempotency: 'own',
    },
    handler: async (request, reply) => {
      const body = request.body as unknown as EventsBody;
      const data = await gate.run(() =>
        acceptEvents(server, body, {
          userId: principalOf(request).id,
          requestId: request.id,
          traceparent: request.traceparent,
        }),
      );
      relay.wake();
      return reply.code(data.some(({ status }) => status === 'created') ? 201 : 200).send({ data });
    },
  });
}
