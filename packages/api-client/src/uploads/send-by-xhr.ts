import type { Send } from '../core/plan-request.ts';

/** What is used of XMLHttpRequest; Node has none. */
interface Xhr {
  upload: { onprogress: ((event: { loaded: number }) => void) | null };
  onload: (() => void) | null;
  onerror: (() => void) | null;
  onabort: (() => void) | null;
  withCredentials: boolean;
  status: number;
  statusText: string;
  responseText: string;
  open(method: string, url: string): void;
  setRequestHeader(name: string, value: string): void;
  getAllResponseHeaders(): string;
  send(body: FormData): void;
  abort(): void;
}

export function findXhr(): (new () => Xhr) | undefined {
  return (globalThis as { XMLHttpRequest?: new () => Xhr }).XMLHttpRequest;
}

function toResponse(xhr: Xhr): Response {
  const headers = new Headers();
  for (const line of xhr.getAllResponseHeaders().trim().split(/\r?\n/)) {
    const [name = '', ...values] = line.split(': ');
    if (name !== '') headers.append(name, values.join(': '));
  }
  const { status, statusText, responseText } = xhr;
  return new Response(responseText, { status, statusText, headers });
}

/**
 * Sends a form as fetch would, and tells its progress. Browsers send no stream over HTTP/1.1, so
 * fetch alone cannot.
 */
export function sendByXhr(Request: new () => Xhr, onLoaded: (loaded: number) => void): Send {
  return (url, { method = 'POST', headers, body, signal, credentials }) =>
    new Promise((resolve, reject) => {
      const xhr = new Request();
      xhr.open(method, url);
      xhr.withCredentials = credentials === 'include';
      for (const [name, value] of new Headers(headers)) xhr.setRequestHeader(name, value);
      xhr.upload.onprogress = ({ loaded }) => onLoaded(loaded);
      xhr.onload = () => resolve(toResponse(xhr));
      xhr.onerror = () => reject(new TypeError('The connection failed.'));
      xhr.onabort = () =>
        reject((signal?.reason as Error | undefined) ?? new TypeError('Aborted.'));
      signal?.addEventListener('abort', () => xhr.abort(), { once: true });
      xhr.send(body as FormData);
    });
}
