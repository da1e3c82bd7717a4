import { Type } from 'typebox';
import type { AuditContext } from '../context.ts';
import { alarmSchema, findAlarms } from './alarms.ts';
import { readTrailState, trailStateSchema } from './trail-state.ts';

const answerSchema = Type.Object({
  complete: Type.Boolean(),
  alarms: Type.Array(alarmSchema),
  ...trailStateSchema.properties,
});

/** `GET /api/audit/completeness`: whether everything that was acknowledged is in the trail, and by what that is seen. Looked up for this answer. */
export function completenessRoute({ app, db, config }: AuditContext): void {
  app.route({
    method: 'GET',
    url: '/api/audit/completeness',
    schema: { response: { 200: answerSchema } },
    config: { operation: 'audit.completeness', access: { permission: 'audit:operate' } },
    handler: async () => {
      const state = await readTrailState(db, config.KINESIS_STREAM);
      const alarms = findAlarms(state);
      return { complete: !alarms.some(({ incomplete }) => incomplete), alarms, ...state };
    },
  });
}
