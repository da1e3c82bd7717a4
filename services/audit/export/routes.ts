import { defineFeature } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { exportLogs } from './export-logs.ts';

/** The trail as a file, in several formats. */
export const exports = defineFeature<AuditContext>({ signedIn: [exportLogs] });
