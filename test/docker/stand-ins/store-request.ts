/** What the object store's stand-in reads of a connection's first request. */
export interface FirstRequest {
  path: string;
  /** Of a signed request or of a presigned URL. */
  accessKey: string | undefined;
}

const HEAD_END = '\r\n\r\n';
const MAX_HEAD_BYTES = 32 * 1024;

/** Undefined while the head of the request is not complete. @throws for one that never ends */
export function readFirstRequest(received: Buffer): FirstRequest | undefined {
  const text = received.toString('latin1');
  if (!text.includes(HEAD_END)) {
    if (received.length > MAX_HEAD_BYTES) throw new Error('The head of the request is too large.');
    return undefined;
  }
  const head = text.slice(0, text.indexOf(HEAD_END));
  return {
    path: /^[A-Z]+ (\S+) /.exec(head)?.[1] ?? '',
    accessKey: /\bCredential=([^/%\s]+)(?:\/|%2F)/i.exec(head)?.[1],
  };
}
