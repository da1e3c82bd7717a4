import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeRecord, type AuditEvent } from '@muniment/audit-events';

/** A record as the stream hands it out. */
export interface ReceivedRecord {
  sequenceNumber: string;
  data: Uint8Array;
}

export interface ReceivedEvent {
  event: AuditEvent;
  record: ReceivedRecord;
}

export interface QuarantinedRecord {
  record: ReceivedRecord;
  reason: string;
}

export interface SortedRecords {
  events: ReceivedEvent[];
  quarantined: QuarantinedRecord[];
  /** The same event twice within these records. */
  repeats: ReceivedEvent[];
}

// 1,000 events take about 40 ms to decode and check; requests are answered in between.
const DECODE_AT_ONCE = 100;

/**
 * Parts the events from what is none, and drops repeats. Of two different events with one number the first stays, as it would if they
 * came in different batches; the other is quarantined.
 */
export async function sortRecords(records: readonly ReceivedRecord[]): Promise<SortedRecords> {
  const quarantined: QuarantinedRecord[] = [];
  const byNumber = new Map<string, ReceivedEvent>();
  const repeats: ReceivedEvent[] = [];
  for (const [index, record] of records.entries()) {
    if (index > 0 && index % DECODE_AT_ONCE === 0) await nextTurn();
    const decoded = decodeRecord(record.data);
    if ('fault' in decoded) {
      quarantined.push({ record, reason: decoded.fault });
      continue;
    }
    const { event } = decoded;
    const number = `${event.source}/${event.lane}/${event.seq}`;
    const first = byNumber.get(number);
    if (!first) byNumber.set(number, { event, record });
    else if (first.event.id === event.id) repeats.push({ event, record });
    else quarantined.push({ record, reason: `the number ${number} belongs to event ${first.event.id}` });
  }
  return { events: [...byNumber.values()], quarantined, repeats };
}
