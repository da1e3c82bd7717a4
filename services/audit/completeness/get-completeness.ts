import { Type } from 'typebox';
import { defineRoute } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { alarmSchema, findAlarms } from './alarms.ts';
import { readTrailState } from './read-trail-state.ts';
import { trailStateSchema } from './trail-state.ts';

const completenessSchema = Type.Object({
  complete: Type.Boolean(),
  alarms: Type.Array(alarmSchema),
  ...trailStateSchema.properties,
});

/** Reads the state for this answer, not the last round of the watch. */
export const getCompleteness = defineRoute({
  method: 'GET',
  url: '/api/audit/completeness',
  operation: 'completeness.get_completeness',
  summary: 'Report whether every acknowledged event is in the trail.',
  access: { permission: 'audit:operate' },
  response: { 200: completenessSchema },
  errors: [],
  handler:
    ({ data: { db }, config }: Pick<AuditContext, 'data' | 'config'>) =>
    async () => {
      const state = await readTrailState(db, config.KINESIS_STREAM);
      const alarms = findAlarms(state);
      return { complete: !alarms.some(({ incomplete }) => incomplete), alarms, ...state };
    },
});
