/** Bytes of standard base64 (RFC 4648 §4), padded and without any other spelling of the same bytes; undefined for what is not. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
