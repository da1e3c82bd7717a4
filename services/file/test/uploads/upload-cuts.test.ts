import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { test } from 'tap';
import { build } from '../build.ts';
import { form } from '../forms.ts';

const HEAD = '--boundary\r\ncontent-disposition: form-data; name="file"; filename="n"\r\n\r\n';

function* cut(body: Buffer, sizes: number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < body.length; i += 1) {
    const size = sizes[i % sizes.length] ?? body.length;
    yield Buffer.from(body.subarray(at, at + size));
    at += size;
  }
}

// Content that teases the search: pieces of the delimiter itself.
const content = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\r',
        '\n',
        '\r\n',
        '-',
        '--',
        '\r\n--',
        '\r\n--bound',
        '\r\n--boundarx',
        'boundary',
        '\r\r\n--boundar',
      ),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
    { maxLength: 30 },
  )
  .map((pieces) => Buffer.from(pieces.join(''), 'latin1'));

test('the same file arrives, wherever the network cuts its form', async (t) => {
  const { app, signIn } = await build(t);
  const { headers } = await signIn();
  await fc.assert(
    fc.asyncProperty(
      content,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
      async (bytes, sizes) => {
        fc.pre(!Buffer.concat([Buffer.from('\r\n'), bytes]).includes('\r\n--boundary'));
        const body = Buffer.concat([
          Buffer.from(HEAD),
          bytes,
          Buffer.from('\r\n--boundary--\r\nepilogue'),
        ]);
        const answer = await app.inject({
          method: 'POST',
          url: '/api/files',
          headers: { ...headers, 'content-type': 'multipart/form-data; boundary=boundary' },
          payload: Readable.from(cut(body, sizes), { objectMode: false }),
        });
        const { name, size, sha256 } = answer.json<{
          name: string;
          size: number;
          sha256: string;
        }>();
        return (
          name === 'n' &&
          size === bytes.length &&
          sha256 === createHash('sha256').update(bytes).digest('hex')
        );
      },
    ),
    { numRuns: 100 },
  );
  t.pass();
});

test("takes what the platform's own FormData writes", async (t) => {
  const { app, signIn } = await build(t);
  const { headers } = await signIn();
  const sent = await form({ filename: 'ä "q" ü.bin', content: 'ünïcode\r\n--' });
  const answer = await app.inject({
    method: 'POST',
    url: '/api/files',
    headers: { ...headers, ...sent.headers },
    payload: sent.payload,
  });
  t.match(
    [answer.statusCode, answer.json()],
    [201, { name: 'ä "q" ü.bin', size: Buffer.byteLength('ünïcode\r\n--') }],
  );
});

test('any body is stored or refused with a 4xx', async (t) => {
  const { app, signIn, files } = await build(t);
  const { headers } = await signIn();
  const piece = fc.oneof(
    content.map((bytes) => bytes.toString('latin1')),
    fc.constantFrom(
      '--boundary',
      '\r\n--boundary\r\n',
      '\r\n--boundary--',
      '\r\n\r\n',
      'content-disposition: form-data; name="file"',
      '; filename="a"',
      "; filename*=utf-8''%ff",
      'content-disposition:',
      'content-disposition: form-data; name="__proto__"',
      ': ',
      ';',
      '"',
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const answer = await app.inject({
        method: 'POST',
        url: '/api/files',
        headers: { ...headers, 'content-type': 'multipart/form-data; boundary=boundary' },
        payload: Buffer.from(`--boundary\r\n${pieces.join('')}`, 'latin1'),
      });
      return answer.statusCode === 201 || answer.statusCode === 400;
    }),
    { numRuns: 400 },
  );
  t.equal(files.store.pool.load().lent, 0);
});
