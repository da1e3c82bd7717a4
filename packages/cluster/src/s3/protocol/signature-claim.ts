import { S3Error } from './errors.ts';

export const ALGORITHM = 'AWS4-HMAC-SHA256';
const MAX_SKEW_MS = 15 * 60_000;
const MAX_EXPIRY_S = 7 * 24 * 3600;

/** What is signed of a request. */
export interface SignedRequest {
  method: string;
  /** Decoded. */
  path: string;
  /** Decoded pairs, in the order sent. */
  query: [string, string][];
  headers: NodeJS.Dict<string[]>;
}

/** The signature that a request carries, not yet verified. */
export interface SignatureClaim {
  presigned: boolean;
  credential: string;
  signedHeaders: string[];
  signature: string;
  /** ISO 8601 basic format, as signed. */
  timestamp: string;
  /** Seconds; only of a presigned URL. */
  expires: number | undefined;
  /** The value of x-amz-content-sha256. */
  payload: string;
}

/** Reads the signature from the Authorization header or from a presigned query. @throws S3Error */
export function readClaim(request: SignedRequest): SignatureClaim {
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

function claimOfHeader(header: string, headers: NodeJS.Dict<string[]>): SignatureClaim {
  const [scheme, rest] = [
    header.slice(0, ALGORITHM.length + 1).trim(),
    header.slice(ALGORITHM.length + 1),
  ];
  if (scheme !== ALGORITHM)
    throw new S3Error(
      'InvalidRequest',
      'The authorization mechanism you have provided is not supported. ' +
        `Please use ${ALGORITHM}.`,
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

function claimOfQuery(query: Map<string, string>, headers: NodeJS.Dict<string[]>): SignatureClaim {
  const [credential, signedHeaders, signature] = [
    query.get('X-Amz-Credential'),
    query.get('X-Amz-SignedHeaders'),
    query.get('X-Amz-Signature'),
  ];
  const [timestamp, expires] = [query.get('X-Amz-Date'), query.get('X-Amz-Expires')];
  if (
    query.get('X-Amz-Algorithm') !== ALGORITHM ||
    !credential ||
    !signedHeaders ||
    !signature ||
    !timestamp ||
    !expires
  ) {
    throw new S3Error(
      'AuthorizationQueryParametersError',
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, ' +
        'X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    );
  }
  if (!/^\d{1,6}$/.test(expires) || Number(expires) < 1 || Number(expires) > MAX_EXPIRY_S) {
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

/** Refuses a signature of another time. @throws RequestTimeTooSkewed or AccessDenied */
export function checkTime(claim: SignatureClaim, now: number): void {
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
    if (Math.abs(now - at) <= MAX_SKEW_MS) return;
    throw new S3Error('RequestTimeTooSkewed', undefined, {
      RequestTime: claim.timestamp,
      ServerTime: new Date(now).toISOString(),
      MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
    });
  }
  if (at - now > MAX_SKEW_MS) throw new S3Error('AccessDenied', 'Request is not valid yet');
  if (now > at + claim.expires * 1000) {
    throw new S3Error('AccessDenied', 'Request has expired', {
      'X-Amz-Expires': String(claim.expires),
      Expires: new Date(at + claim.expires * 1000).toISOString(),
      ServerTime: new Date(now).toISOString(),
    });
  }
}

function basicFormat(httpDate: string | undefined): string | undefined {
  const at = Date.parse(httpDate ?? '');
  return Number.isNaN(at) ? undefined : new Date(at).toISOString().replace(/[-:]|\.\d{3}/g, '');
}
