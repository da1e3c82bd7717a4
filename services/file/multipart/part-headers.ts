import { isUtf8 } from 'node:buffer';
import { parse } from 'content-disposition';
import { MultipartMalformed } from '../errors.ts';

export interface PartHeaders {
  /** Name of the form's field. */
  name: string;
  /** As the client wrote it: a path, a trick or nothing. Undefined for a field that is not a file. */
  filename: string | undefined;
  /** The client's word, lower case and without parameters; never believed for what a browser might run. */
  contentType: string | undefined;
}

// RFC 2046 §5.1.1
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;
const BOUNDARY_PARAMETER = /;[ \t]*boundary=(?:"([^"\\]*)"|([^\s;"]+))[ \t]*(?:;|$)/i;
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;

/** The boundary that a multipart/form-data Content-Type names. @throws MultipartMalformed when it names none that is valid */
export function boundaryOf(contentType: string): string {
  const match = BOUNDARY_PARAMETER.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw new MultipartMalformed('the content type names no boundary');
  if (!BOUNDARY.test(boundary)) throw new MultipartMalformed('the boundary has a form that RFC 2046 does not allow');
  return boundary;
}

/**
 * Reads a part's header block (RFC 7578 §4). `filename*` counts before `filename`: the RFC forbids it in forms, yet clients send it, and
 * ignoring it would store a mangled name.
 * @throws MultipartMalformed
 */
export function readPartHeaders(block: Buffer): PartHeaders {
  if (!isUtf8(block)) throw new MultipartMalformed('the header of a part is not UTF-8');
  const fields = new Map<string, string>();
  for (const line of block.toString().split('\r\n')) {
    const match = FIELD_LINE.exec(line);
    if (!match) throw new MultipartMalformed('a part has a line in its header that is not a header');
    const name = (match[1] ?? '').toLowerCase();
    if (fields.has(name)) throw new MultipartMalformed('a part has the same header twice');
    fields.set(name, match[2] ?? '');
  }
  const { type, parameters } = parse(fields.get('content-disposition') ?? '', { multipart: true });
  const name = parameters['name'];
  if (type !== 'form-data' || name === undefined) throw new MultipartMalformed('a part does not say which field it is');
  const encoding = fields.get('content-transfer-encoding')?.toLowerCase();
  // RFC 7578 §4.7 abolished it. To keep such bytes as they are would keep another file than the one meant.
  if (encoding !== undefined && !['binary', '8bit', '7bit'].includes(encoding)) throw new MultipartMalformed('a part is encoded');
  return { name, filename: parameters['filename'], contentType: fields.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase() };
}
