export { canonicalJson, cleanText } from './canonical.ts';
export { decodeRecord, sealedForm, type DecodedRecord } from './decode-record.ts';
export {
  LANES,
  SOURCES,
  auditEventSchema,
  laneOf,
  type AuditEvent,
  type Json,
  type PersonalBlock,
  type Source,
} from './event.ts';
export { createKinesisClient, type KinesisOptions } from './kinesis.ts';
export { outboxBacklog, type OutboxBacklog } from './outbox.ts';
export {
  UNNAMED,
  openBytes,
  openCommitted,
  openPersonal,
  sealBytes,
  type CommittedValues,
  type PersonalValues,
  type SubjectKey,
} from './personal.ts';
export {
  composeEvent,
  createEventPreparer,
  createEventRecorder,
  derivedEventId,
  insertOutboxRows,
  type EventContent,
  type EventRecorderOptions,
  type NewEvent,
  type OutboxRow,
  type PrepareEvent,
  type RecordEvent,
} from './record-event.ts';
export { createRelay, type Relay, type RelayOptions, type RelayStatus } from './relay/relay.ts';
export { rotateSubjectKey, rotateSubjectKeys } from './rotate-subject-keys.ts';
export {
  createSubjectKeys,
  type BlockKeyRef,
  type BlockKeys,
  type Subject,
  type SubjectKeys,
} from './subject-keys.ts';
export type { LoopLogger } from './relay/loop-logger.ts';
