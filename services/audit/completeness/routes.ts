import { defineFeature } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { declareLost } from './declare-lost.ts';
import { getCompleteness } from './get-completeness.ts';

/** Whether the trail is complete, for operators. */
export const completeness = defineFeature<AuditContext>({
  administrators: [getCompleteness, declareLost],
});
