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

/** What a form may have around its file: delimiters and headers. */
const OVERHEAD_BYTES = 64 * 1024;
// RFC 2046 §5.1.1
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;
const BOUNDARY_PARAMETER = /;[ \t]*boundary=(?:"([^"\\]*)"|([^\s;"]+))[ \t]*(?:;|$)/i;

/** The file that a form brings. */
export interface FormFile {
  /** As the client wrote it: a path, a trick. Never empty. */
  filename: string;
  /** The client's word, lower case and without parameters. */
  declaredType: string;
}

/** Who takes the file. What either throws ends the reading. */
export interface FileSink {
  begin(file: FormFile): void;
  /** Resolves when there is room for more. */
  write(chunk: Buffer): Promise<void>;
}

export interface FormLimits {
  /** Largest file. */
  maxBytes: number;
  /** Longest silence of the client, in milliseconds. */
  idleMs: number;
  signal: AbortSignal;
}

/** How forms are parsed. Every part is taken for a file, so that one that is none is refused on its header and never kept in memory. */
export const formOptions = (maxBytes: number): FastifyMultipartBaseOptions => ({
  limits: { fileSize: maxBytes, files: 2, parts: 3, headerPairs: 20 },
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

/** What the parser's errors mean. Those of the form's end are plain errors, known by their text alone. */
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
  // A field named like a member of every object; it is told of when the form ends.
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

/** A part by its header. The types promise a name and a file name; a part may have neither. */
function checkPart(
  part: { fieldname?: string; filename?: string; encoding: string; mimetype: string },
  before: FormFile | undefined,
): FormFile {
  if (part.fieldname === undefined)
    throw new MultipartMalformed('a part does not say which field it is');
  if (part.fieldname !== 'file') throw new UnknownField();
  if (before) throw new TooManyFiles();
  // A browser sends an empty filename for a file input in which nothing was chosen.
  if (part.filename === undefined || part.filename === '') throw new FileMissing();
  // RFC 7578 §4.7 abolished it. To keep such bytes as they are would keep another file than the one meant.
  if (!['binary', '8bit', '7bit'].includes(part.encoding))
    throw new MultipartMalformed('a part is encoded');
  // The parser's mark for bytes that it could not decode.
  if (part.filename.includes('\uFFFD'))
    throw new MultipartMalformed('the name of the file is not UTF-8');
  // Browsers escape these three so (WHATWG HTML, «multipart/form-data encoding algorithm»).
  const filename = part.filename.replace(/%(?:22|0d|0a)/gi, (escape) => decodeURIComponent(escape));
  return { filename, declaredType: part.mimetype };
}

/**
 * Reads a form with one file to its end and hands the file on, only as fast as it is taken. When it throws, the connection stays as it is and
 * the rest of the body unread, so that an answer can be sent.
 * @throws for every way in which it is not a form with one file; UploadCutOff when the client goes away, UploadTimeout when it stays silent, the
 * signal's reason when that is aborted
 */
export async function parseForm(
  request: FastifyRequest,
  sink: FileSink,
  { maxBytes, idleMs, signal }: FormLimits,
): Promise<void> {
  const boundary = boundaryOf(request.headers['content-type'] ?? '');
  // Said before a byte is read, where the client says how much it is going to send.
  if (Number(request.headers['content-length'] ?? 0) > maxBytes + OVERHEAD_BYTES)
    throw new FileTooLarge(maxBytes);
  if (request.raw.destroyed) throw new UploadCutOff();

  const parts = request.parts();
  // Attaches the parser, at once; the watch must come after it.
  let next = parts.next();
  let reading: { destroy(error: Error): unknown } | undefined;
  const watch = startBodyTimeout(request.raw, {
    idleMs,
    signal,
    // The parser bounds the file; this bounds what it passes over in silence: a preamble, an epilogue, parts that are no form-data.
    onData: (received) =>
      received > maxBytes + OVERHEAD_BYTES && watch.end(new FileTooLarge(maxBytes)),
    onEnd: (error) => reading?.destroy(error),
  });
  let file: FormFile | undefined;
  try {
    for (;;) {
      const { value: part, done } = await Promise.race([next, watch.ended]).catch(
        (error: unknown) => {
          throw explain(error, request);
        },
      );
      if (done) break;
      if (part.type !== 'file') throw new UnknownField();
      file = checkPart(part, file);
      sink.begin(file);
      reading = part.file.on('limit', () => watch.end(new FileTooLarge(maxBytes)));
      if (part.file.truncated) throw new FileTooLarge(maxBytes);
      for await (const chunk of piecesOf(part.file, request)) await sink.write(chunk);
      next = parts.next();
    }
  } finally {
    watch.close();
  }
  if (file) return;
  // The parser passes over parts that it cannot read. A form without a part is its closing delimiter and nothing else.
  if (watch.received() > 0 && watch.received() <= boundary.length + '----\r\n'.length)
    throw new FileMissing();
  throw new MultipartMalformed('it has no part that says which field it is');
}
