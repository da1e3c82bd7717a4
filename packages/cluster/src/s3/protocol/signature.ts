import { isUtf8 } from 'node:buffer';
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { S3Error } from './errors.ts';

export type Credentials = { accessKeyId: string; secretAccessKey: string };

/** What is signed of a request. `path` is decoded, `query` decoded name-value pairs in the order sent. */
export type SignedRequest = {
  method: string;
  path: string;
  query: [string, string][];
  headers: NodeJS.Dict<string[]>;
};

/** A request whose signature held. `payload` is x-amz-content-sha256's value; the rest is what chunk signatures chain on. */
export type Authorization = {
  presigned: boolean;
  payload: string;
  signature: string;
  sign: (kind: 'PAYLOAD' | 'TRAILER', ...lines: string[]) => string;
};

const algorithm = 'AWS4-HMAC-SHA256';
const maxSkewMs = 15 * 60_000;
const maxExpirySeconds = 7 * 24 * 3600;

type Claim = {
  presigned: boolean;
  credential: string;
  signedHeaders: string[];
  signature: string;
  timestamp: string;
  expires: number | undefined;
  payload: string;
};

/**
 * Verifies AWS Signature Version 4 in the Authorization header or in the query (presigned).
 * Throws AccessDenied for an anonymous request, else S3's own code for what is wrong. Any region is accepted: there is
 * only one here, and the scope is part of what is signed.
 * Source: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API Reference.
 */
export function authorize(
  request: SignedRequest,
  credentials: Credentials,
  now: number,
): Authorization {
  const claim = readClaim(request);
  const [accessKeyId, day, region, service, terminal, ...more] = claim.credential.split('/');
  if (
    !day ||
    !region ||
    service !== 's3' ||
    terminal !== 'aws4_request' ||
    more.length > 0 ||
    !claim.timestamp.startsWith(day)
  ) {
    throw new S3Error(
      claim.presigned ? 'AuthorizationQueryParametersError' : 'AuthorizationHeaderMalformed',
      'The credential scope is not valid.',
    );
  }
  if (accessKeyId !== credentials.accessKeyId)
    throw new S3Error('InvalidAccessKeyId', undefined, { AWSAccessKeyId: accessKeyId ?? '' });
  checkTime(claim, now);
  checkSignedHeaders(request, claim);

  const scope = `${day}/${region}/s3/aws4_request`;
  const key = signingKey(credentials.secretAccessKey, day, region);
  const canonical = canonicalRequest(request, claim);
  const expected = hmac(
    key,
    [algorithm, claim.timestamp, scope, sha256(canonical)].join('\n'),
  ).toString('hex');
  if (!sameSignature(expected, claim.signature)) {
    throw new S3Error('SignatureDoesNotMatch', undefined, { CanonicalRequest: canonical });
  }
  return {
    presigned: claim.presigned,
    payload: claim.payload,
    signature: claim.signature,
    sign: (kind, ...lines) =>
      hmac(key, [`${algorithm}-${kind}`, claim.timestamp, scope, ...lines].join('\n')).toString(
        'hex',
      ),
  };
}

/** Compares two hex signatures in constant time. */
export function sameSignature(expected: string, given: string): boolean {
  return (
    given.length === expected.length &&
    timingSafeEqual(Buffer.from(expected), Buffer.from(given, 'latin1'))
  );
}

/** Percent-encodes as SigV4 wants it: everything but A-Z a-z 0-9 - . _ ~ */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

export function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function readClaim(request: SignedRequest): Claim {
  const header = request.headers['authorization']?.[0];
  const query = new Map(request.query);
  const inQuery = query.has('X-Amz-Algorithm') || query.has('X-Amz-Signature');
  if (header === undefined && !inQuery) throw new S3Error('AccessDenied');
  if (header !== undefined && inQuery)
    throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed');
  return header === undefined
    ? claimOfQuery(query, request.headers)
    : claimOfHeader(header, request.headers);
}

function claimOfHeader(header: string, headers: NodeJS.Dict<string[]>): Claim {
  const [scheme, rest] = [
    header.slice(0, algorithm.length + 1).trim(),
    header.slice(algorithm.length + 1),
  ];
  if (scheme !== algorithm)
    throw new S3Error(
      'InvalidRequest',
      `The authorization mechanism you have provided is not supported. Please use ${algorithm}.`,
    );
  const fields = new Map(
    rest.split(',').map((part) => {
      const [name = '', ...value] = part.trim().split('=');
      return [name, value.join('=')];
    }),
  );
  const [credential, signedHeaders, signature] = [
    fields.get('Credential'),
    fields.get('SignedHeaders'),
    fields.get('Signature'),
  ];
  if (!credential || !signedHeaders || !signature)
    throw new S3Error('AuthorizationHeaderMalformed');
  const payload = headers['x-amz-content-sha256']?.[0];
  if (payload === undefined)
    throw new S3Error(
      'InvalidRequest',
      'Missing required header for this request: x-amz-content-sha256',
    );
  const date = headers['x-amz-date']?.[0];
  const timestamp = date ?? basicFormat(headers['date']?.[0]);
  if (timestamp === undefined)
    throw new S3Error(
      'AccessDenied',
      'AWS authentication requires a valid Date or x-amz-date header',
    );
  return {
    presigned: false,
    credential,
    signedHeaders: signedHeaders.split(';'),
    signature,
    timestamp,
    expires: undefined,
    payload,
  };
}

function claimOfQuery(query: Map<string, string>, headers: NodeJS.Dict<string[]>): Claim {
  const [credential, signedHeaders, signature] = [
    query.get('X-Amz-Credential'),
    query.get('X-Amz-SignedHeaders'),
    query.get('X-Amz-Signature'),
  ];
  const [timestamp, expires] = [query.get('X-Amz-Date'), query.get('X-Amz-Expires')];
  if (
    query.get('X-Amz-Algorithm') !== algorithm ||
    !credential ||
    !signedHeaders ||
    !signature ||
    !timestamp ||
    !expires
  ) {
    throw new S3Error(
      'AuthorizationQueryParametersError',
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    );
  }
  if (!/^\d{1,6}$/.test(expires) || Number(expires) < 1 || Number(expires) > maxExpirySeconds) {
    throw new S3Error(
      'AuthorizationQueryParametersError',
      'X-Amz-Expires must be between 1 and 604800 seconds',
    );
  }
  const names = signedHeaders.split(';');
  const signedPayload = names.includes('x-amz-content-sha256')
    ? headers['x-amz-content-sha256']?.[0]
    : undefined;
  return {
    presigned: true,
    credential,
    signedHeaders: names,
    signature,
    timestamp,
    expires: Number(expires),
    payload: query.get('X-Amz-Content-Sha256') ?? signedPayload ?? 'UNSIGNED-PAYLOAD',
  };
}

function checkTime(claim: Claim, now: number): void {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(claim.timestamp);
  const at = match
    ? Date.parse(`${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}Z`)
    : Number.NaN;
  if (Number.isNaN(at))
    throw new S3Error(
      'AccessDenied',
      'AWS authentication requires a valid Date or x-amz-date header',
    );
  if (claim.expires === undefined) {
    if (Math.abs(now - at) <= maxSkewMs) return;
    throw new S3Error('RequestTimeTooSkewed', undefined, {
      RequestTime: claim.timestamp,
      ServerTime: new Date(now).toISOString(),
      MaxAllowedSkewMilliseconds: String(maxSkewMs),
    });
  }
  if (at - now > maxSkewMs) throw new S3Error('AccessDenied', 'Request is not valid yet');
  if (now > at + claim.expires * 1000) {
    throw new S3Error('AccessDenied', 'Request has expired', {
      'X-Amz-Expires': String(claim.expires),
      Expires: new Date(at + claim.expires * 1000).toISOString(),
      ServerTime: new Date(now).toISOString(),
    });
  }
}

// An x-amz- header outside the signature could turn a presigned PUT into a copy or give it other metadata.
function checkSignedHeaders(request: SignedRequest, claim: Claim): void {
  const unsigned = Object.keys(request.headers).filter(
    (name) => (name === 'host' || name.startsWith('x-amz-')) && !claim.signedHeaders.includes(name),
  );
  if (unsigned.length > 0) {
    throw new S3Error(
      'AccessDenied',
      'There were headers present in the request which were not signed',
      { HeadersNotSigned: unsigned.join(', ') },
    );
  }
}

function canonicalRequest(request: SignedRequest, claim: Claim): string {
  // Sorted by name and then value, not as joined text: '-' sorts before '='.
  const query = request.query
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .toSorted((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const headers = claim.signedHeaders
    .map((name) => `${name}:${canonicalValue(request.headers[name] ?? [])}\n`)
    .join('');
  const path = request.path.split('/').map(uriEncode).join('/');
  return [request.method, path, query, headers, claim.signedHeaders.join(';'), claim.payload].join(
    '\n',
  );
}

// Node hands header bytes out as Latin-1; clients sign UTF-8 of what they sent.
function canonicalValue(values: string[]): string {
  const text = values.map((value) => value.trim().replace(/ +/g, ' ')).join(',');
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString() : text;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function basicFormat(httpDate: string | undefined): string | undefined {
  const at = Date.parse(httpDate ?? '');
  return Number.isNaN(at) ? undefined : new Date(at).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

let cached: { id: string; key: Buffer } | undefined;

function signingKey(secret: string, day: string, region: string): Buffer {
  const id = `${day}/${region}/${secret}`;
  if (cached?.id !== id) {
    cached = {
      id,
      key: ['s3', 'aws4_request'].reduce<Buffer>(
        hmac,
        hmac(hmac(Buffer.from(`AWS4${secret}`), day), region),
      ),
    };
  }
  return cached.key;
}

function hmac(key: Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}
