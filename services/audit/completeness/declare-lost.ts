import { Type } from 'typebox';
import { LANES, SOURCES, type Source } from '@muniment/audit-events';
import { dateTime, defineRoute, strictObject, uuid } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { HoleNotLost, RangeReversed } from '../errors.ts';
import { ALARM_AFTER_S } from './alarms.ts';
import { eventsDeclaredLost } from './completeness-events.ts';
import { insertDeclaredLost, lockRange, type RangeState } from './declared-lost-queries.ts';

const sequenceNumber = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const range = {
  source: Type.Unsafe<Source>(Type.Union(SOURCES.map((source) => Type.Literal(source)))),
  lane: Type.Integer({ minimum: 0, maximum: LANES - 1 }),
  from: sequenceNumber,
  to: sequenceNumber,
};

/** Events behind the lost numbers can then be sealed. It cannot be undone. */
export const declareLost = defineRoute({
  method: 'POST',
  url: '/api/audit/holes/declare-lost',
  operation: 'completeness.declare_lost',
  summary: 'Declare numbers lost whose events exist nowhere any more.',
  access: { permission: 'audit:operate' },
  body: strictObject(range),
  response: { 200: Type.Object({ ...range, event_id: uuid, declared_at: dateTime }) },
  errors: [RangeReversed, HoleNotLost],
  handler:
    ({ data: { inTransaction } }: Pick<AuditContext, 'data'>) =>
    async (request) => {
      const { source, lane, from, to } = request.body;
      if (from > to) throw new RangeReversed();
      return inTransaction(request, async (trx, record) => {
        const reason = explainNotLost(await lockRange(trx, request.body, ALARM_AFTER_S * 1_000));
        if (reason !== undefined) throw new HoleNotLost(reason);
        const eventId = await record(eventsDeclaredLost(request.body));
        const declaredAt = await insertDeclaredLost(trx, request.body, eventId);
        return { source, lane, from, to, event_id: eventId, declared_at: declaredAt.toISOString() };
      });
    },
});

/** Why the numbers are not lost; undefined when they are. */
function explainNotLost(state: RangeState | undefined): string | undefined {
  if (!state?.missing) return 'not all of them are missing';
  if (state.in_outbox > 0)
    return `the outbox holds ${state.in_outbox} of them and sends them again`;
  return state.old ? undefined : `not all of them have been missed for ${ALARM_AFTER_S} s`;
}
