import type { AuditEvent } from '@muniment/audit-events';
import type { RequestEvent } from '@muniment/server';
import type { QuarantineReason } from '../tables.ts';
import type { ReplayOutcome } from './quarantine-queries.ts';

export const quarantineRead = (
  entries: number,
  reason: QuarantineReason | undefined,
): RequestEvent => ({
  action: 'AUDIT_READ',
  resource_type: 'quarantine',
  metadata: { entries, reason: reason ?? null },
});

export const quarantineReplayed = (
  id: string,
  { event, outcome }: { event: AuditEvent; outcome: ReplayOutcome },
): RequestEvent => ({
  action: 'QUARANTINE_REPLAYED',
  resource: id,
  resource_type: 'quarantine',
  metadata: { event_id: event.id, outcome, source: event.source, lane: event.lane, seq: event.seq },
});
