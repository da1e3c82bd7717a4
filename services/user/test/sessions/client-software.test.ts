import { test } from 'tap';
import { timeBound } from '@muniment/testing';
import { describeClient } from '../../sessions/client-software.ts';

test('browsers, programs and what says nothing', (t) => {
  const nothing = { browser: null, os: null, device: null };
  const cases: [string | null, object][] = [
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:121.0) Gecko/20100101 Firefox/121.0',
      { browser: 'Firefox 121', os: 'Windows 10', device: 'desktop' },
    ],
    [
      'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) ' +
        'Chrome/120.0.6099.43 Mobile Safari/537.36',
      { browser: 'Chrome 120', os: 'Android 14', device: 'mobile' },
    ],
    [
      'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
      { browser: 'Googlebot 2', os: null, device: 'bot' },
    ],
    ['curl/8.5.0', { browser: 'curl 8', os: null, device: null }],
    ['insomnia/2021.4.0', { browser: 'insomnia 2021', os: null, device: null }],
    ['node', { browser: 'node', os: null, device: null }],
    ['Mozilla/5.0', nothing],
    ['<script>', nothing],
    ['/', nothing],
    ['', nothing],
    [null, nothing],
  ];
  for (const [userAgent, expected] of cases)
    t.strictSame(describeClient(userAgent), expected, userAgent ?? 'none');
  t.end();
});

test('what was made to be slow to read is read in milliseconds', (t) => {
  for (const part of [
    '(',
    'a/',
    'Android ',
    'Version/',
    'Mozilla/5.0 (;',
    'opera',
    '1.',
    'Chrome/',
    'Linux; Android ',
    ';',
  ]) {
    const began = performance.now();
    describeClient(part.repeat(512).slice(0, 512));
    const ms = performance.now() - began;
    t.ok(ms < timeBound(50), `${part}: ${ms.toFixed(1)} ms`);
  }
  t.end();
});
