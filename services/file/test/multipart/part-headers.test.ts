import { test } from 'tap';
import { boundaryOf, readPartHeaders } from '../../multipart/part-headers.ts';

test('the boundary is found quoted and unquoted, among other parameters', async (t) => {
  t.equal(boundaryOf('multipart/form-data; boundary=abc'), 'abc');
  t.equal(boundaryOf('multipart/form-data; charset=utf-8; BOUNDARY="a b?c"; x=y'), 'a b?c');
  for (const bad of ['multipart/form-data', 'multipart/form-data; boundary', 'multipart/form-data; boundary="a"b"', 'multipart/form-data; boundary=a"b', `multipart/form-data; boundary=${'x'.repeat(71)}`, 'multipart/form-data; boundary="a "']) {
    t.throws(() => boundaryOf(bad), /not well-formed/, bad);
  }
});

test('a part says its field, its file name and its type', async (t) => {
  t.strictSame(
    readPartHeaders(Buffer.from('Content-Disposition: form-data; name="file"; filename="é.txt"\r\nContent-Type: Text/Plain; charset=utf-8')),
    { name: 'file', filename: 'é.txt', contentType: 'text/plain' },
  );
  t.strictSame(readPartHeaders(Buffer.from('content-disposition:form-data;name=x')), { name: 'x', filename: undefined, contentType: undefined });
});

test('what is no part header is refused', async (t) => {
  for (const bad of ['', 'x', 'Content-Type: text/plain', 'Content-Disposition: form-data', 'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"', 'Content-Disposition: form-data; name="a"\r\n folded']) {
    t.throws(() => readPartHeaders(Buffer.from(bad)), /not well-formed/, bad);
  }
});
