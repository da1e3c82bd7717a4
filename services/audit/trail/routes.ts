import { defineFeature } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { getLog } from './get-log.ts';
import { listLogs } from './list-logs.ts';

/** The audit trail, as each reader may see it. */
export const trail = defineFeature<AuditContext>({ signedIn: [listLogs, getLog] });
