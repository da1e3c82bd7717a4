import { test } from 'tap';
import { findCountry } from '../../../users/countries/country.ts';
import { parseIndianGstNumber } from '../../../vendor-profiles/fields/gst-number.ts';
import { parsePaymentModes, parseWorkingDays } from '../../../vendor-profiles/fields/lists.ts';
import { CODES } from '../../../users/countries/iso-3166.ts';
import { isWebsite } from '../../../vendor-profiles/fields/website.ts';

test('each of the 249 countries is found by both codes and its English name', (t) => {
  const names = new Intl.DisplayNames('en', { type: 'region' });
  const pairs = CODES.split(' ').map((pair) => [pair.slice(0, 2), pair.slice(2)] as const);
  t.equal(pairs.length, 249);
  for (const [code, alpha3] of pairs)
    for (const name of [code, code.toLowerCase(), alpha3, names.of(code) ?? ''])
      t.equal(findCountry(name), code, name);
  t.end();
});

test('ISO names are found with and without their articles, in either order', (t) => {
  for (const [name, code] of [
    ['Korea (the Republic of)', 'KR'],
    ['Republic of Korea', 'KR'],
    ["Korea (the Democratic People's Republic of)", 'KP'],
    ['Congo (the)', 'CG'],
    ['Congo (the Democratic Republic of the)', 'CD'],
    ['United States of America (the)', 'US'],
    ['Viet Nam', 'VN'],
    ["Côte d'Ivoire", 'CI'],
    ['Cote d’Ivoire', 'CI'],
    ['Türkiye', 'TR'],
    ['Turkey', 'TR'],
    ['Kosovo', 'XK'],
    ['UK', 'GB'],
    ['St. Lucia', 'LC'],
  ] as const)
    t.equal(findCountry(name), code, name);
  for (const none of ['', ' ', 'Atlantis', 'EU', 'ZZ', 'the', 'constructor', '__proto__', 'U'])
    t.equal(findCountry(none), undefined, none);
  t.end();
});

test('a GST number needs its shape, a state of India and its check digit', (t) => {
  t.equal(parseIndianGstNumber('27aapfu-0939f 1zv'), '27AAPFU0939F1ZV');
  t.equal(parseIndianGstNumber('29AAGCB7383J1Z4'), '29AAGCB7383J1Z4');
  for (const digit of '0123456789ABCDEFGHIJKLMNOPQRSTUWXYZ')
    t.equal(parseIndianGstNumber(`27AAPFU0939F1Z${digit}`), undefined, digit);
  for (const none of [
    '',
    '27AAPFU0939F1Z',
    '00AAPFU0939F1ZV',
    '27AAPFU0939F1ZVV',
    '٢٧AAPFU0939F1ZV',
  ])
    t.equal(parseIndianGstNumber(none), undefined, none);
  t.end();
});

test('days are read from lists, texts and ranges, into the order of the week', (t) => {
  const week = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
  for (const [typed, days] of [
    ['Monday - Friday', week.slice(0, 5)],
    ['Mon, Wed and fri', ['monday', 'wednesday', 'friday']],
    ['Sat–Mon', ['monday', 'saturday', 'sunday']],
    ['Mon to Tue & Sundays', ['monday', 'tuesday', 'sunday']],
    [
      ['friday', 'MON.'],
      ['monday', 'friday'],
    ],
    ['daily', week],
    ['', []],
    [[], []],
  ] as const)
    t.strictSame(parseWorkingDays(typed), days, String(typed));
  for (const none of ['24/7', 'someday', 'm', 'Mon - ', 'Mon - Fri - Sun', ['monday', 'x']])
    t.equal(parseWorkingDays(none), undefined, String(none));
  t.end();
});

test('payment modes are split, trimmed and named once', (t) => {
  t.strictSame(parsePaymentModes('Cash,  Credit  card ;UPI, '), ['Cash', 'Credit card', 'UPI']);
  t.strictSame(parsePaymentModes(['UPI', 'upi']), ['upi']);
  t.end();
});

test('a website is http or https with a domain name, and nothing disguises its host', (t) => {
  for (const url of [
    'https://techsolutions.com',
    'http://example.co.in:8080/a?b#c',
    'HTTPS://Ä.example/',
    'https://xn--p1ai.xn--p1ai',
  ])
    t.ok(isWebsite(url), url);
  for (const url of [
    'javascript:alert(1)',
    'ftp://example.com',
    '//example.com',
    'example.com',
    'https://localhost',
    'https://127.0.0.1',
    'https://0x7f.1',
    'https://[::1]/',
    'https://user@example.com',
    'https://example.com/" onclick="',
    'https://exa\nmple.com',
    'https://exam\u200bple.com',
    'https:example.com',
  ])
    t.notOk(isWebsite(url), url);
  t.end();
});
