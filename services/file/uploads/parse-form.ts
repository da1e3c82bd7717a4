import type { FastifyMultipartBaseOptions } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { startBodyTimeout } from './body-timeout.ts';
import {
  FileMissing,
  FileTooLarge,
  MultipartMalformed,
  TooManyFiles,
  UnknownField,
  UploadCutOff,
  UploadNotMultipart,
} from '../errors.ts';

/** Delimiters and headers around the file. */
const OVERHEAD_BYTES = 64 * 1024;
// RFC 2046 §5.1.1
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;
const BOUNDARY_PARAMETER = /;[ \t]*boundary=(?:"([^"\\]*)"|([^\s;"]+))[ \t]*(?:;|$)/i;

/** A file's part by its header. */
export interface FormFile {
  /** As sent: may be a path, is never empty. */
  filename: string;
  /** The client's media type, lower case without parameters. */
  declaredType: string;
}

/** Receives the file. An error of either function ends the reading. */
export interface FileSink {
  begin(file: FormFile): void;
  /** Resolves when there is room for more. */
  write(chunk: Buffer): Promise<void>;
}

/** A part by its header. */
export interface FormPart extends Omit<FormFile, 'filename'> {
  name: string;
  /** Undefined for a text, empty where a browser's user chose no file. */
  filename: string | undefined;
}

/** Receives a part. An error of either function ends the reading. */
export interface PartSink {
  write(chunk: Buffer): Promise<void>;
  end?(): Promise<void>;
}

export interface FormLimits {
  /** Maximum size of a file, and of all that is no file. */
  maxBytes: number;
  /** Longest silence of the client, in milliseconds. */
  idleMs: number;
  signal: AbortSignal;
  /** Maximum of whole files; absent: one. */
  files?: number;
}

/** Treats each part as a file, so other fields are never buffered. */
export const formOptions = (maxBytes: number, parts = 2): FastifyMultipartBaseOptions => ({
  limits: { fileSize: maxBytes, files: parts, parts: parts + 1, headerPairs: 20 },
  throwFileSizeLimit: false,
  preservePath: true,
  isPartAFile: () => true,
});

function boundaryOf(contentType: string): string {
  if (!/^multipart\/form-data[ \t]*(?:;|$)/i.test(contentType)) throw new UploadNotMultipart();
  const match = BOUNDARY_PARAMETER.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw new MultipartMalformed('the content type names no boundary');
  if (!BOUNDARY.test(boundary))
    throw new MultipartMalformed('the boundary has a form that RFC 2046 does not allow');
  return boundary;
}

/** Translates the parser's errors. Some are known only by their text. */
function explain(error: unknown, request: FastifyRequest): unknown {
  if (!(error instanceof Error)) return error;
  const code = 'code' in error ? error.code : undefined;
  if (
    error === request.raw.errored ||
    code === 'FST_MP_PREMATURE_CLOSE' ||
    code === 'ERR_STREAM_PREMATURE_CLOSE'
  )
    return new UploadCutOff();
  if (/unexpected end of multipart data$/i.test(error.message))
    return new MultipartMalformed('it ends before its closing delimiter');
  // Fields named like Object.prototype's members are reported at the end.
  if (code === 'FST_PROTO_VIOLATION') return new UnknownField();
  if (code === 'FST_FILES_LIMIT' || code === 'FST_PARTS_LIMIT') return new TooManyFiles();
  return error;
}

async function* piecesOf(
  file: AsyncIterable<Buffer>,
  request: FastifyRequest,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* file;
  } catch (error) {
    throw explain(error, request);
  }
}

/** Checks a part's header, which may lack the typed names. */
function readHeader(part: {
  fieldname?: string;
  filename?: string;
  encoding: string;
  mimetype: string;
}): FormPart {
  if (part.fieldname === undefined)
    throw new MultipartMalformed('a part does not say which field it is');
  // Browsers escape these three (WHATWG HTML, multipart/form-data encoding).
  const filename = part.filename?.replace(/%(?:22|0d|0a)/gi, (escape) =>
    decodeURIComponent(escape),
  );
  return { name: part.fieldname, filename, declaredType: part.mimetype };
}

/** Checks what a part's bytes are. */
function checkEncoding({ encoding, filename }: { encoding: string; filename?: string }): void {
  // RFC 7578 §4.7 abolished encodings; encoded bytes would be another file.
  if (!['binary', '8bit', '7bit'].includes(encoding))
    throw new MultipartMalformed('a part is encoded');
  // The parser writes it for bytes that it cannot decode.
  if (filename?.includes('\uFFFD'))
    throw new MultipartMalformed('the name of the file is not UTF-8');
}

/**
 * Reads the parts of a form with back-pressure. After an error the connection stays open for an
 * answer.
 * @throws a malformed form's error, UploadCutOff, UploadTimeout, the signal's reason
 */
export async function readParts(
  request: FastifyRequest,
  begin: (part: FormPart) => PartSink | Promise<PartSink>,
  { maxBytes, idleMs, signal, files = 1 }: FormLimits,
): Promise<void> {
  const boundary = boundaryOf(request.headers['content-type'] ?? '');
  const maxBody = files * maxBytes + OVERHEAD_BYTES;
  // A declared length is refused before a byte is read.
  if (Number(request.headers['content-length'] ?? 0) > maxBody) throw new FileTooLarge(maxBytes);
  if (request.raw.destroyed) throw new UploadCutOff();

  const parts = request.parts();
  // This attaches the parser. The watch must come after it.
  let next = parts.next();
  let reading: { destroy(error: Error): unknown } | undefined;
  const watch = startBodyTimeout(request.raw, {
    idleMs,
    signal,
    // Bounds what the parser skips: preamble, epilogue, foreign parts.
    onData: (received) => received > maxBody && watch.end(new FileTooLarge(maxBytes)),
    onEnd: (error) => reading?.destroy(error),
  });
  let count = 0;
  try {
    for (;;) {
      const { value: part, done } = await Promise.race([next, watch.ended]).catch(
        (error: unknown) => {
          throw explain(error, request);
        },
      );
      if (done) break;
      if (part.type !== 'file') throw new UnknownField();
      const sink = await begin(readHeader(part));
      checkEncoding(part);
      count += 1;
      reading = part.file.on('limit', () => watch.end(new FileTooLarge(maxBytes)));
      if (part.file.truncated) throw new FileTooLarge(maxBytes);
      for await (const chunk of piecesOf(part.file, request)) await sink.write(chunk);
      await sink.end?.();
      next = parts.next();
    }
  } finally {
    watch.close();
  }
  // A form without parts is only its closing delimiter.
  const isEmpty = watch.received() > 0 && watch.received() <= boundary.length + '----\r\n'.length;
  if (count === 0 && !isEmpty)
    throw new MultipartMalformed('it has no part that says which field it is');
}

/**
 * Reads a form with one file.
 * @throws as `readParts`, FileMissing, TooManyFiles, UnknownField
 */
export async function parseForm(
  request: FastifyRequest,
  sink: FileSink,
  limits: FormLimits,
): Promise<void> {
  let found = false;
  function begin({ name, filename, declaredType }: FormPart): PartSink {
    if (name !== 'file') throw new UnknownField();
    if (found) throw new TooManyFiles();
    // A browser sends an empty filename when nothing was chosen.
    if (filename === undefined || filename === '') throw new FileMissing();
    found = true;
    sink.begin({ filename, declaredType });
    return sink;
  }
  await readParts(request, begin, limits);
  if (!found) throw new FileMissing();
}
