import createError from '@fastify/error';

/** One answer for absent, deleted and foreign files, so an id discloses nothing. */
export const FileNotFound = createError(
  'file_not_found',
  'You have no such file. Check the id.',
  404,
);
export const FileTooLarge = createError(
  'file_too_large',
  'The file is too large. Send at most %s bytes.',
  413,
);
export const FileMissing = createError(
  'file_missing',
  'The form has no file. Send one in the field "file".',
  400,
);
export const TooManyFiles = createError(
  'too_many_files',
  'The form has several files. Send one file a request.',
  400,
);
export const UnknownField = createError(
  'unknown_field',
  'The form has another field than "file". Send only that one.',
  400,
);
export const MultipartMalformed = createError(
  'malformed_multipart',
  'The form is malformed: %s. Send it as multipart/form-data.',
  400,
);
export const UploadNotMultipart = createError(
  'unsupported_media_type',
  'The body is no form. Send the file as multipart/form-data.',
  415,
);
export const NameInvalid = createError('name_invalid', 'The name %s. Choose another.', 400);
export const RangeNotSatisfiable = createError(
  'range_not_satisfiable',
  'The file has no bytes in this range. Ask for a range within its size.',
  416,
);
export const UploadTimeout = createError(
  'upload_timeout',
  'The upload stopped. Send it again.',
  408,
);
/** Only the log shows it: the client has gone. */
export const UploadCutOff = createError(
  'upload_cut_off',
  'The upload was cut off. Send it again.',
  400,
);
/** The row was withdrawn: its user was erased, or this replica seemed dead. */
export const UploadSuperseded = createError(
  'upload_superseded',
  'The upload can no longer be completed. Send it again.',
  409,
);
export const UploadCapacity = createError(
  'upload_capacity',
  'Too many uploads are running. Try again shortly.',
  503,
);
export const ObjectStoreUnavailable = createError(
  'object_store_unavailable',
  'The object store is out of reach. Try again shortly.',
  503,
);
