import type { AuditEvent } from '@muniment/audit-events';
import type { QuarantineReason } from '../tables.ts';

/** A record as the stream hands it out. */
export interface ReceivedRecord {
  sequenceNumber: string;
  data: Uint8Array;
}

export interface ReceivedEvent {
  event: AuditEvent;
  record: ReceivedRecord;
  /** SHA-256 of the record's bytes. */
  digest: Buffer;
}

export interface QuarantinedRecord {
  record: ReceivedRecord;
  reason: QuarantineReason;
  /** For people. */
  detail: string;
  event?: AuditEvent;
  /** Its number counts as received, although it is not stored. */
  counted: boolean;
}
