import { defineFeature } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { recordEvents } from './record-events.ts';

/** App events: what customers' own services record in the trail. */
export const appEvents = defineFeature<AuditContext>({ administrators: [recordEvents] });
