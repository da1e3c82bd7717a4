import createError from '@fastify/error';

/** Absent, deleted, unfinished, or another's: one answer for all, so that an id tells nobody whether it names something. */
export const FileNotFound = createError('file_not_found', 'There is no such file', 404);
export const FileTooLarge = createError(
  'file_too_large',
  'The file is larger than %s bytes, the most that one upload may bring',
  413,
);
export const FileMissing = createError(
  'file_missing',
  'The form has no file in a field named "file"',
  400,
);
export const TooManyFiles = createError(
  'too_many_files',
  'The form has more than one file; send one a request',
  400,
);
export const UnknownField = createError(
  'unknown_field',
  'The form may have the field "file" and no other',
  400,
);
export const MultipartMalformed = createError(
  'malformed_multipart',
  'The body is not well-formed multipart/form-data: %s',
  400,
);
export const UploadNotMultipart = createError(
  'unsupported_media_type',
  'Send the file as multipart/form-data',
  415,
);
export const NameInvalid = createError('name_invalid', 'The name %s', 400);
export const PreconditionFailed = createError(
  'precondition_failed',
  'The file is not in the state that the request requires',
  412,
);
export const RangeNotSatisfiable = createError(
  'range_not_satisfiable',
  'The file has no bytes in the range asked for',
  416,
);
/** The client went silent in the middle of its upload. */
export const UploadTimeout = createError(
  'upload_timeout',
  'The rest of the upload did not come',
  408,
);
/** Seen by nobody but the log: the client has gone. */
export const UploadCutOff = createError(
  'upload_cut_off',
  'The upload ended before it was complete',
  400,
);
/** The row was settled meanwhile: the user was erased, or this replica was thought dead. */
export const UploadSuperseded = createError(
  'upload_superseded',
  'The upload can no longer be completed; send it again',
  409,
);
/** All buffers are in use, and stayed so. */
export const UploadCapacity = createError(
  'upload_capacity',
  'More uploads are running than this replica can take; try again shortly',
  503,
);
/** The object store does not answer, or answers that it cannot now. */
export const ObjectStoreUnavailable = createError(
  'object_store_unavailable',
  'The object store is out of reach; try again shortly',
  503,
);
