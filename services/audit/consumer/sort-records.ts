import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeRecord } from '@muniment/audit-events';
import type {
  QuarantinedRecord,
  ReceivedEvent,
  ReceivedRecord,
} from '../event-store/received-event.ts';

export interface SortedRecords {
  /** Several may claim one number; the store decides which of them is ours. */
  events: ReceivedEvent[];
  quarantined: QuarantinedRecord[];
  /** Records that occur twice in the batch. */
  repeats: ReceivedEvent[];
}

// 1,000 events take about 40 ms to decode and check. Requests are answered in between.
const DECODE_BATCH_SIZE = 100;

/** Separates events from other records, and drops repeats. */
export async function sortRecords(records: readonly ReceivedRecord[]): Promise<SortedRecords> {
  const quarantined: QuarantinedRecord[] = [];
  const events = new Map<string, ReceivedEvent>();
  const repeats: ReceivedEvent[] = [];
  for (const [index, record] of records.entries()) {
    if (index > 0 && index % DECODE_BATCH_SIZE === 0) await nextTurn();
    const decoded = decodeRecord(record.data);
    if ('fault' in decoded) {
      quarantined.push({ record, reason: 'unreadable', detail: decoded.fault, counted: false });
      continue;
    }
    const digest = createHash('sha256').update(record.data).digest();
    const received = { event: decoded.event, record, digest };
    const key = digest.toString('latin1');
    if (events.has(key)) repeats.push(received);
    else events.set(key, received);
  }
  return { events: [...events.values()], quarantined, repeats };
}
