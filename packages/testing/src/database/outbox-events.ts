import type { AuditEvent } from '@muniment/audit-events';
import type { Rows } from './rows.ts';

export type OutboxSchema = 'identity' | 'files' | 'audit' | 'app';

/** An event before the relay has numbered it. */
export type OutboxEvent = Omit<AuditEvent, 'seq'>;

/** The events in an outbox as the relay would send them, sealed. */
export async function outboxEvents(rows: Rows, schema: OutboxSchema): Promise<OutboxEvent[]> {
  const stored = await rows<{ text: string }>(
    `select head || ',' || tail as text from ${schema}.outbox order by position`,
  );
  return stored.map(({ text }) => JSON.parse(text) as OutboxEvent);
}
