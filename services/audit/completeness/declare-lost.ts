import { Type } from 'typebox';
import { LANES, SOURCES, type Source } from '@muniment/audit-events';
import type { AuditContext } from '../context.ts';
import { ALARM_AFTER_S } from './alarms.ts';
import { HoleNotLost, RangeReversed } from '../errors.ts';
import { insertDeclaredLost, lockRange, type RangeState } from './declared-lost-queries.ts';

const seq = () => Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const range = {
  source: Type.Unsafe<Source>(Type.Union(SOURCES.map((source) => Type.Literal(source)))),
  lane: Type.Integer({ minimum: 0, maximum: LANES - 1 }),
  from: seq(),
  to: seq(),
};
const bodySchema = Type.Object(range, { additionalProperties: false });
const answerSchema = Type.Object({
  ...range,
  event_id: Type.String({ format: 'uuid' }),
  declared_at: Type.String({ format: 'date-time' }),
});

/** Why the numbers are not lost; undefined when they are. */
function whyNotLost(state: RangeState | undefined): string | undefined {
  if (!state?.missing) return 'not all of them are missing';
  if (state.in_outbox > 0)
    return `the outbox holds ${state.in_outbox} of them and sends them again`;
  return state.old ? undefined : `not all of them have been missed for ${ALARM_AFTER_S} s`;
}

/**
 * `POST /api/audit/holes/declare-lost`: gives up numbers whose events exist nowhere any more, so that what stands behind them is sealed. For good, and
 * an event itself: the trail says what it lacks, and who has said so.
 */
export function declareLostRoute({ app, inTransaction }: AuditContext): void {
  app.route({
    method: 'POST',
    url: '/api/audit/holes/declare-lost',
    schema: { body: bodySchema, response: { 200: answerSchema } },
    config: { operation: 'audit.holes.declare-lost', access: { permission: 'audit:operate' } },
    handler: async (request) => {
      const { source, lane, from, to } = request.body;
      if (from > to) throw new RangeReversed();
      return inTransaction(request, async (trx, record) => {
        const why = whyNotLost(await lockRange(trx, request.body, ALARM_AFTER_S * 1_000));
        if (why !== undefined) throw new HoleNotLost(why);
        const eventId = await record({
          action: 'EVENTS_DECLARED_LOST',
          resource: `${source}/${lane}/${from}-${to}`,
          resource_type: 'event_numbers',
          metadata: { source, lane, from, to },
        });
        const at = await insertDeclaredLost(trx, request.body, eventId);
        return { source, lane, from, to, event_id: eventId, declared_at: at.toISOString() };
      });
    },
  });
}
