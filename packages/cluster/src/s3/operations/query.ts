import { S3Error } from '../protocol/errors.ts';
import { uriEncode } from '../protocol/signature.ts';
import type { S3Request } from './request.ts';

/** Reads a number from the query. @throws InvalidArgument */
export function readNumber(request: S3Request, name: string, fallback: number): number {
  const text = request.query.get(name);
  if (text === undefined || text === '') return fallback;
  if (!/^\d{1,9}$/.test(text))
    throw new S3Error(
      'InvalidArgument',
      `Provided ${name} not an integer or within integer range`,
      { ArgumentName: name, ArgumentValue: text },
    );
  return Number(text);
}

/** How this listing writes names: as they are, or for `encoding-type=url`. */
export function nameEncoding(request: S3Request): (name: string) => string {
  const type = request.query.get('encoding-type');
  if (type !== undefined && type !== 'url')
    throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      ArgumentName: 'encoding-type',
      ArgumentValue: type,
    });
  return type === undefined
    ? (name) => name
    : (name) => name.split('/').map(uriEncode).join('/').replaceAll('%20', '+');
}
