import createError from '@fastify/error';

export const FileTooLarge = createError(
  'file_too_large',
  'The file is too large. Send at most %s bytes.',
  413,
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
export const FileTypeRefused = createError(
  'file_type_refused',
  'The file has another type than %s. Send one of these.',
  415,
);
export const FileUnexpected = createError(
  'file_unexpected',
  'The form has a file in another field than %s. Send files only in these.',
  400,
);
export const FormTooLarge = createError(
  'body_too_large',
  'The fields of the form are too large. Send at most %s bytes besides the files.',
  413,
);
export const TooManyParts = createError(
  'too_many_parts',
  'The form has too many parts, or a file twice. Send each field once.',
  400,
);

/** What the sender of a form with files can be answered, by each service on its way. */
export const UPLOAD_ERRORS = [
  FileTooLarge,
  FileTypeRefused,
  FileUnexpected,
  FormTooLarge,
  MultipartMalformed,
  NameInvalid,
  ObjectStoreUnavailable,
  TooManyParts,
  UploadCapacity,
  UploadCutOff,
  UploadSuperseded,
  UploadTimeout,
];
