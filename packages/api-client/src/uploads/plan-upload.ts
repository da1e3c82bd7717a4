import type { CallOptions, Route } from '../core/call.ts';
import { planRequest, type PlannedRequest } from '../core/plan-request.ts';
import { createBoundary, readBlob, readStream, streamForm } from './multipart.ts';
import { findXhr, sendByXhr } from './send-by-xhr.ts';

export interface Progress {
  /** Bytes of the file that were sent; a repeated attempt begins at 0 again. */
  loaded: number;
  /** Bytes of the file; undefined for a stream. */
  total: number | undefined;
}

export interface UploadInput extends CallOptions {
  /** A stream is read once, so its upload is never repeated; browsers may refuse it. */
  file: Blob | ReadableStream<Uint8Array>;
  /** That of a `File` by default. */
  name?: string;
  /** That of a `Blob` by default. */
  type?: string;
  onProgress?(progress: Progress): void;
}

/** A whole file may take long. Callers bound it by their signal. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

function nameOf({ name, file }: UploadInput): string {
  const own = (file as Partial<File>).name;
  return name ?? own ?? 'file';
}

const typeOf = ({ type, file }: UploadInput): string =>
  type ?? ((file instanceof Blob && file.type) || 'application/octet-stream');

function toForm(file: Blob, input: UploadInput): FormData {
  const form = new FormData();
  const blob = file.type === typeOf(input) ? file : file.slice(0, file.size, typeOf(input));
  form.append('file', blob, nameOf(input));
  return form;
}

/** The whole form's bytes are told; those around the file are not the file's. */
const planByXhr = (
  Request: NonNullable<ReturnType<typeof findXhr>>,
  { file, input }: { file: Blob; input: UploadInput },
): Pick<PlannedRequest, 'openBody' | 'send'> => ({
  openBody: () => toForm(file, input),
  send: sendByXhr(Request, (sent) => {
    input.onProgress?.({ loaded: Math.min(sent, file.size), total: file.size });
  }),
});

function planByStream(
  input: UploadInput,
  boundary: string,
): Pick<PlannedRequest, 'openBody' | 'hasBodyAgain'> {
  const { file } = input;
  const total = file instanceof Blob ? file.size : undefined;
  const part = {
    name: nameOf(input),
    type: typeOf(input),
    open: () => (file instanceof Blob ? readBlob(file) : readStream(file)),
  };
  return {
    hasBodyAgain: file instanceof Blob,
    openBody() {
      let loaded = 0;
      const onBytes = (count: number): void => {
        loaded += count;
        input.onProgress?.({ loaded, total });
      };
      return streamForm(part, { boundary, onBytes });
    },
  };
}

/** An upload that tells its progress: by XMLHttpRequest in browsers, by a stream in Node. */
export function planUpload(base: string, route: Route, input: UploadInput): PlannedRequest {
  const plan = planRequest(base, route, { timeoutMs: MAX_TIMEOUT_MS, ...input });
  const { file } = input;
  const Request = findXhr();
  if (file instanceof Blob && input.onProgress === undefined)
    return { ...plan, openBody: () => toForm(file, input) };
  if (file instanceof Blob && Request) return { ...plan, ...planByXhr(Request, { file, input }) };
  const boundary = createBoundary();
  plan.headers.set('content-type', `multipart/form-data; boundary=${boundary}`);
  return { ...plan, ...planByStream(input, boundary) };
}
