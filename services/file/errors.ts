import createError from '@fastify/error';

export {
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
  UploadNotMultipart,
  UploadSuperseded,
  UploadTimeout,
} from '@muniment/server';

/** One answer for absent, deleted and foreign files, so an id discloses nothing. */
export const FileNotFound = createError(
  'file_not_found',
  'You have no such file. Check the id.',
  404,
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
export const RangeNotSatisfiable = createError(
  'range_not_satisfiable',
  'The file has no bytes in this range. Ask for a range within its size.',
  416,
);
