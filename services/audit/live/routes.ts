import { defineFeature } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { streamLogs } from './stream-logs.ts';

/** The trail as a live stream. */
export const live = defineFeature<AuditContext>({ signedIn: [streamLogs] });
