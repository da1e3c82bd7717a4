import type { AuditEvent, Json } from '@muniment/audit-events';
import type { ExportRow } from './format.ts';

/** An entry in the shape of `GET /api/audit/logs`, as an object. */
export interface Entry extends Omit<AuditEvent, 'personal'> {
  index: number;
  email: Json;
  ip: Json;
  user_agent: Json;
}

export function toEntry({ record, index, personal }: ExportRow): Entry {
  const { personal: _commitment, ...event } = JSON.parse(record) as AuditEvent;
  const {
    email = null,
    ip = null,
    user_agent = null,
    ...marked
  } = personal ? (JSON.parse(personal.values) as Record<string, Json>) : {};
  return { index, ...event, metadata: { ...event.metadata, ...marked }, email, ip, user_agent };
}
