import { createHash, createHmac } from 'node:crypto';
import { request, type IncomingHttpHeaders } from 'node:http';
import { bucket, credentials } from './s3-server.ts';

// A signer written from the S3 API Reference. Unlike the SDK, it can send rare and wrong forms.

export type RawRequest = {
  method?: string;
  path?: string;
  /** The canonical query, e.g. `delete=`. */
  query?: string;
  headers?: Record<string, string>;
  payload: string;
  secret?: string;
  date?: Date;
};

export type ChunkSigner = { chunk: (data: Buffer) => Buffer; trailer: (text: string) => Buffer };

const hmac = (key: string | Buffer, data: string): Buffer =>
  createHmac('sha256', key).update(data).digest();
export const sha256 = (data: string | Buffer): string =>
  createHash('sha256').update(data).digest('hex');

/** The headers of a signed request to `endpoint`, and the signer of its chunks. */
export function signRequest(
  endpoint: string,
  raw: RawRequest,
): { headers: Record<string, string>; signer: ChunkSigner } {
  const timestamp = (raw.date ?? new Date()).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = timestamp.slice(0, 8);
  const scope = `${day}/us-east-1/s3/aws4_request`;
  const headers: Record<string, string> = {
    ...raw.headers,
    host: new URL(endpoint).host,
    'x-amz-date': timestamp,
    'x-amz-content-sha256': raw.payload,
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    raw.method ?? 'PUT',
    raw.path ?? `/${bucket}/k`,
    raw.query ?? '',
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    raw.payload,
  ].join('\n');
  const key = [day, 'us-east-1', 's3', 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${raw.secret ?? credentials.secretAccessKey}`,
  );
  const sign = (kind: string, ...lines: string[]): string =>
    hmac(key, [kind, timestamp, scope, ...lines].join('\n')).toString('hex');
  let previous = sign('AWS4-HMAC-SHA256', sha256(canonical));
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope},` +
    `SignedHeaders=${names.join(';')},Signature=${previous}`;
  return {
    headers,
    signer: {
      chunk: (data) => {
        previous = sign('AWS4-HMAC-SHA256-PAYLOAD', previous, sha256(''), sha256(data));
        return Buffer.concat([
          Buffer.from(`${data.length.toString(16)};chunk-signature=${previous}\r\n`),
          data,
          Buffer.from(data.length > 0 ? '\r\n' : ''),
        ]);
      },
      trailer: (text) =>
        Buffer.from(
          `${text}\r\nx-amz-trailer-signature:${sign('AWS4-HMAC-SHA256-TRAILER', previous, sha256(`${text}\n`))}\r\n\r\n`,
        ),
    },
  };
}

export type RawAnswer = {
  status: number;
  code: string;
  headers: IncomingHttpHeaders;
  text: string;
  continued: boolean;
};

/** Sends raw bytes; with Expect the body waits for 100 Continue. Returns status and code. */
export function sendRequest(
  endpoint: string,
  raw: RawRequest,
  headers: Record<string, string>,
  body: Buffer,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let continued = false;
    const outgoing = request(
      endpoint,
      { method: raw.method ?? 'PUT', path: raw.path ?? `/${bucket}/k`, headers },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({
              status: incoming.statusCode ?? 0,
              code: /<Code>(.*)<\/Code>/.exec(text)?.[1] ?? '',
              headers: incoming.headers,
              text,
              continued,
            });
            outgoing.destroy();
          });
      },
    );
    outgoing.on('error', reject);
    if (headers['expect'] === undefined) outgoing.end(body);
    else {
      outgoing.on('continue', () => {
        continued = true;
        outgoing.end(body);
      });
      outgoing.flushHeaders();
    }
  });
}

/** Signs and sends a request. */
export async function put(
  endpoint: string,
  raw: RawRequest,
  body: Buffer | ((signer: ChunkSigner) => Buffer),
): Promise<RawAnswer> {
  // Signing chunks needs the seed signature, which covers no length: fixed headers come first.
  const { headers, signer } = signRequest(endpoint, raw);
  const bytes = Buffer.isBuffer(body) ? body : body(signer);
  const sized =
    headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  return sendRequest(
    endpoint,
    raw,
    { ...headers, ...(sized ? {} : { 'content-length': String(bytes.length) }) },
    bytes,
  );
}
