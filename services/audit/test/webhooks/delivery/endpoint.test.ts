import { test } from 'tap';
import { parseAllowList, parseEndpoint, vetEndpoint } from '../../../webhooks/delivery/endpoint.ts';

const none = parseAllowList('');
const refusal = (reason: RegExp) => ({
  code: 'WEBHOOK_URL_REFUSED',
  statusCode: 422,
  message: reason,
});

test('a URL that may not be delivered to is refused with the reason', (t) => {
  const cases: [string, RegExp][] = [
    ['', /not a URL/],
    ['example.com/hook', /not a URL/],
    ['https://', /not a URL/],
    [`https://example.com/${'x'.repeat(2_048)}`, /not a URL/],
    ['https://1.2.3.4.5/', /not a URL/],
    ['http://example.com/', /not https/],
    ['ftp://example.com/', /not https/],
    ['file:///etc/passwd', /not https/],
    ['gopher://example.com/', /not https/],
    ['data:text/plain,x', /not https/],
    ['https://user@example.com/', /credentials/],
    ['https://user:password@example.com/', /credentials/],
    ['https://:x@example.com/', /credentials/],
    ['https://example.com/#part', /fragment/],
    ['https://example.com:22/', /port 22/],
    ['https://example.com:80/', /port 80/],
    ['https://example.com:25/', /port 25/],
    // Other spellings of 127.0.0.1 and 169.254.169.254.
    ['https://127.0.0.1/', /public/],
    ['https://2130706433/', /public/],
    ['https://0x7f000001/', /public/],
    ['https://0177.0.0.1/', /public/],
    ['https://127.1/', /public/],
    ['https://0/', /public/],
    ['https://①②⑦.0.0.1/', /public/],
    ['https://169.254.169.254/latest/meta-data/', /public/],
    ['https://0xa9fea9fe/', /public/],
    ['https://[::1]/', /public/],
    ['https://[::ffff:169.254.169.254]/', /public/],
    ['https://[fe80::1]/', /public/],
    ['https://[fd00:ec2::254]/', /public/],
    ['https://[64:ff9b::7f00:1]/', /public/],
    ['https://100.64.0.1/', /public/],
    ['https://10.0.0.1:8443/', /public/],
  ];
  for (const [url, reason] of cases) t.throws(() => parseEndpoint(url, none), refusal(reason), url);
  t.end();
});

test('https at 443 or above 1023 passes, with a path and a query', (t) => {
  for (const url of [
    'https://example.com',
    'https://example.com:443/a?b=c',
    'https://hooks.example.com:8443/x',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]:9000/',
    'https://bücher.example/',
  ]) {
    t.equal(parseEndpoint(url, none).allowed, false, url);
  }
  t.end();
});

test('what is allowed by host and port may be plain and private, and nothing beside it', (t) => {
  const list = parseAllowList('127.0.0.1:9999, hooks.internal:443 ,[::1]:8080,LOCALHOST:80');
  for (const url of [
    'http://127.0.0.1:9999/',
    'https://hooks.internal/',
    'http://[::1]:8080/',
    'http://localhost/',
    'http://2130706433:9999/',
  ])
    t.equal(parseEndpoint(url, list).allowed, true, url);
  for (const url of [
    'http://127.0.0.1:9998/',
    'http://127.0.0.2:9999/',
    'http://hooks.internal/',
    'http://user@127.0.0.1:9999/',
    'ftp://127.0.0.1:9999/',
  ])
    t.throws(() => parseEndpoint(url, list), refusal(/./), url);
  t.end();
});

test('every address of a host must be public, or the host is refused', async (t) => {
  const vet = (addresses: string[], url = 'https://example.com/') =>
    vetEndpoint(parseEndpoint(url, parseAllowList('hooks.internal:443')), async () => addresses);
  t.same((await vet(['8.8.8.8', '2606:4700::1111'])).addresses, ['8.8.8.8', '2606:4700::1111']);
  for (const addresses of [
    ['127.0.0.1'],
    ['8.8.8.8', '10.0.0.1'],
    ['2606:4700::1111', '::1'],
    ['8.8.8.8', '::ffff:127.0.0.1'],
    [],
  ])
    await t.rejects(vet(addresses), refusal(/public/), addresses.join());
  t.same((await vet(['10.0.0.1'], 'https://hooks.internal/')).addresses, ['10.0.0.1']);
  await t.rejects(
    vetEndpoint(parseEndpoint('https://example.com/', none), async () => {
      throw new Error('NXDOMAIN');
    }),
    refusal(/no address/),
  );
});
