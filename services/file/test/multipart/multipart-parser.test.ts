import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { test } from 'tap';
import { boundaryOf } from '../../multipart/part-headers.ts';
import { createMultipartParser } from '../../multipart/multipart-parser.ts';

interface Part {
  name: string;
  filename: string | undefined;
  content: Buffer;
}

function parse(boundary: string, chunks: Iterable<Buffer>): Part[] {
  const parser = createMultipartParser(boundary);
  const parts: (Part & { ended: boolean })[] = [];
  for (const chunk of chunks) {
    for (const event of parser.push(chunk)) {
      const last = parts.at(-1);
      if (event.kind === 'part') parts.push({ name: event.headers.name, filename: event.headers.filename, content: Buffer.alloc(0), ended: false });
      else if (event.kind === 'data' && last) last.content = Buffer.concat([last.content, event.bytes]);
      else if (last) last.ended = true;
    }
  }
  parser.finish();
  return parts.filter(({ ended }) => ended);
}

function* cut(body: Buffer, sizes: number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < body.length; i += 1) {
    const size = sizes[i % sizes.length] ?? body.length;
    yield Buffer.from(body.subarray(at, at + size));
    at += size;
  }
}

// Content that teases the search: pieces of the delimiter itself.
const content = fc.array(fc.oneof(
  fc.constantFrom('\r', '\n', '\r\n', '-', '--', '\r\n--', '\r\n--bound', '\r\n--boundarx', 'boundary', '\r\r\n--boundar'),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
), { maxLength: 30 }).map((pieces) => Buffer.from(pieces.join(''), 'latin1'));

test('what a form holds comes out, wherever the network cuts it', async () => {
  fc.assert(fc.property(
    fc.array(content, { minLength: 1, maxLength: 3 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
    (contents, sizes) => {
      fc.pre(contents.every((bytes) => !Buffer.concat([Buffer.from('\r\n'), bytes]).includes('\r\n--boundary')));
      const body = Buffer.concat([
        ...contents.flatMap((bytes, i) => [Buffer.from(`--boundary\r\ncontent-disposition: form-data; name="f${i}"; filename="n${i}"\r\n\r\n`), bytes, Buffer.from('\r\n')]),
        Buffer.from('--boundary--\r\nepilogue'),
      ]);
      const parts = parse('boundary', cut(body, sizes));
      return parts.length === contents.length
        && parts.every((part, i) => part.name === `f${i}` && part.filename === `n${i}` && contents[i] !== undefined && part.content.equals(contents[i]));
    },
  ), { numRuns: 1_000 });
});

test("reads what the platform's own FormData writes", async (t) => {
  const bytes = randomBytes(300_000);
  const data = new FormData();
  data.append('file', new File([bytes], 'ä "q" ü.bin'));
  data.append('text', 'ünïcode\r\n--');
  const response = new Response(data);
  const parts = parse(boundaryOf(response.headers.get('content-type') ?? ''), cut(Buffer.from(await response.arrayBuffer()), [64 * 1024]));
  t.match(parts, [{ name: 'file', filename: 'ä "q" ü.bin' }, { name: 'text', filename: undefined }]);
  t.ok(parts[0]?.content.equals(bytes));
  t.equal(parts[1]?.content.toString(), 'ünïcode\r\n--');
});

test('any bytes are parsed or refused as malformed, never anything else', async () => {
  const piece = fc.oneof(content.map((bytes) => bytes.toString('latin1')), fc.constantFrom('--boundary', '\r\n\r\n', 'content-disposition: form-data; name="file"', 'content-disposition:', ': ', ';'));
  fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
    try {
      parse('boundary', [Buffer.from(`--boundary\r\n${pieces.join('')}`, 'latin1')]);
      return true;
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'MALFORMED_MULTIPART';
    }
  }), { numRuns: 2_000 });
});
