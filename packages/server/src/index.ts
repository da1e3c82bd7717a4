export { parseStorableJson } from './http/body-parsing.ts';
export { repeat, type BackgroundLoop } from './lifecycle/background-loops.ts';
export {
  loadConfig,
  ownOrigins,
  serverSettings,
  splitList,
  type ServerConfig,
} from './lifecycle/config.ts';
export { createServer, type ServerOptions, type ServiceContext } from './create-server.ts';
export type { App } from './http/create-app.ts';
export {
  defineRoute,
  type AnyRouteDefinition,
  type Endpoint,
  type RouteDefinition,
  type SentHeader,
} from './http/define-route.ts';
export { createBoundCursors, type BoundCursors } from './http/cursors/bound-cursor.ts';
export { decodeCursor, encodeCursor, formatUuid, toPage } from './http/cursors/cursor.ts';
export {
  CURSOR_DESCRIPTION,
  dateTime,
  idParams,
  nullable,
  pageOf,
  pageQuery,
  rawBody,
  strictObject,
  uuid,
} from './http/schemas.ts';
export {
  etagOf,
  hasPreconditions,
  isNotModified,
  isRangeAllowed,
  requirePreconditions,
  validatorFields,
  type Validators,
} from './http/conditional/preconditions.ts';
export { nameAuditEvent } from './audit/audit-event-header.ts';
export { InvalidFields, type FieldFault } from './http/fields/invalid-fields.ts';
export { bothSpellings, pointerTo, readSpellings } from './http/fields/spellings.ts';
export { isUuid } from './http/validation.ts';
export { acceptForms, isForm } from './http/forms/accept-forms.ts';
export { discardBody } from './http/forms/discard-body.ts';
export {
  FileTooLarge,
  FileTypeRefused,
  FileUnexpected,
  FormTooLarge,
  MultipartMalformed,
  NameInvalid,
  ObjectStoreUnavailable,
  TooManyParts,
  UPLOAD_ERRORS,
  UploadCapacity,
  UploadCutOff,
  UploadNotMultipart,
  UploadSuperseded,
  UploadTimeout,
} from './http/forms/upload-errors.ts';
export { rawProblem } from './http/problem.ts';
export {
  CursorInvalid,
  ExportCapacity,
  IdempotencyInProgress,
  IdempotencyKeyReused,
} from './errors.ts';
export { csvField, parseCsvField } from './export/csv-field.ts';
export { createWatchedStream, type RunningExport } from './export/watched-stream.ts';
export { defineFeature, registerFeatures, type FeatureRoutes } from './http/features.ts';
export type { Jobs } from './lifecycle/jobs.ts';
export type { Rest } from './audit/activity.ts';
export { createErasureLoop, type CachedKeys, type ErasurePart } from './audit/erasures.ts';
export { createCounter } from './operations/create-counter.ts';
export type { DependencyCheck, Health } from './operations/health.ts';
export { deleteAnswersOfUser } from './idempotency/answers.ts';
export type { IdempotentRequest } from './idempotency/keyed-request.ts';
export type { Counted, Limits, Consumed } from './limits/limits.ts';
export type { RecordDenial } from './limits/record-denial.ts';
export type { RequestLimits } from './limits/open-request-limits.ts';
export { afterCommit, retryConflicts } from './audit/transactions.ts';
export type {
  InTransaction,
  RecordRequestEvent,
  RequestContext,
  RequestEvent,
} from './audit/transactions.ts';
