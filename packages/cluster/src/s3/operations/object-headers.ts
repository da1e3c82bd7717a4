import { S3Error } from '../protocol/errors.ts';
import type { ObjectRecord } from '../store/object-store.ts';
import type { S3Request } from './request.ts';

const STORED_HEADERS = [
  'content-type',
  'content-disposition',
  'content-encoding',
  'content-language',
  'cache-control',
  'expires',
];
const MAX_METADATA_BYTES = 2048;

// Headers whose effect would be silently lost. Those that choose a storage class are ignored.
const UNSUPPORTED =
  /^x-amz-(tagging|website-redirect-location|write-offset-bytes|(object-lock|server-side-encryption-customer|grant)-.*)$/;

/** The headers of a write that are stored with the object and returned on GET and HEAD. */
export function readObjectHeaders(request: S3Request): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'binary/octet-stream' };
  let metadataBytes = 0;
  for (const [name, value] of request.headers) {
    if (UNSUPPORTED.test(name)) throw new S3Error('NotImplemented', undefined, { Header: name });
    if (STORED_HEADERS.includes(name) && value !== '') headers[name] = value;
    if (name.startsWith('x-amz-meta-')) {
      headers[name] = value;
      metadataBytes += name.length - 'x-amz-meta-'.length + Buffer.byteLength(value, 'latin1');
    }
  }
  if (metadataBytes > MAX_METADATA_BYTES)
    throw new S3Error('MetadataTooLarge', undefined, {
      MaxSizeAllowed: String(MAX_METADATA_BYTES),
    });
  // aws-chunked describes the transfer, not the object.
  const encoding = headers['content-encoding']
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== 'aws-chunked')
    .join(',');
  if (encoding) headers['content-encoding'] = encoding;
  else delete headers['content-encoding'];
  return headers;
}

/** The headers of GET and HEAD that do not depend on a range. */
export function objectHeaders(request: S3Request, record: ObjectRecord): Record<string, string> {
  const headers: Record<string, string> = {
    ...Object.fromEntries(
      Object.entries(record.headers).map(([name, value]) => [
        name,
        isLatin1(value) ? value : encodedWord(value),
      ]),
    ),
    'accept-ranges': 'bytes',
    etag: `"${record.etag}"`,
    'last-modified': new Date(record.lastModified).toUTCString(),
  };
  for (const name of STORED_HEADERS) {
    const override = request.query.get(`response-${name}`);
    if (override === undefined) continue;
    // This also refuses a line break, which would inject a header.
    if (!isLatin1(override))
      throw new S3Error('InvalidArgument', 'Header value cannot be represented using ISO-8859-1.', {
        ArgumentName: `response-${name}`,
      });
    headers[name] = override;
  }
  return headers;
}

/** The stored checksum as answer headers. */
export function checksumHeaders(checksum: ObjectRecord['checksum']): Record<string, string> {
  return checksum
    ? {
        [`x-amz-checksum-${checksum.algorithm}`]: checksum.value,
        'x-amz-checksum-type': checksum.type,
      }
    : {};
}

function isLatin1(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}

function encodedWord(value: string): string {
  return `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`;
}
