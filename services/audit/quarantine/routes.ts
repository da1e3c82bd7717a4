import { defineFeature } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { listQuarantine } from './list-quarantine.ts';
import { replayQuarantine } from './replay-quarantine.ts';
import { replayRecord } from './replay-record.ts';

/** The quarantine: records of the stream that the log could not take. */
export const quarantine = defineFeature<AuditContext>({
  administrators: [listQuarantine, replayRecord, replayQuarantine],
});
