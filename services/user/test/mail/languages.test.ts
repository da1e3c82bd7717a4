import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { loadLanguages, TEMPLATES } from '../../mail/languages.ts';
import { renderMail } from '../../mail/render-mail.ts';

test('a request gets its preferred language, else a wider one, else English', (t) => {
  const { choose } = loadLanguages();
  const cases: [string | undefined, string][] = [
    [undefined, 'en'],
    ['', 'en'],
    ['*', 'en'],
    ['de', 'de'],
    ['de-AT,de;q=0.8,en;q=0.5', 'de'],
    ['fr, de;q=0.3, en;q=0.9', 'en'],
    ['fr', 'en'],
    ['en;q=0, de', 'de'],
    ['\u0000;;;q=x', 'en'],
    ['de'.repeat(4_000), 'en'],
  ];
  for (const [header, language] of cases)
    t.equal(choose(header), language, header?.slice(0, 40) ?? 'no header');
  t.end();
});

test('every shipped language has every mail, with the same placeholders', (t) => {
  const { text } = loadLanguages();
  const named = (parts: readonly string[]): string[] =>
    [...new Set([...parts.join(' ').matchAll(/\{\{\w+\}\}/g)].map(([name]) => name))].toSorted(
      (a, b) => a.localeCompare(b),
    );
  for (const template of TEMPLATES) {
    const [english, german] = [text(template, 'en'), text(template, 'de')];
    t.not(german.subject, english.subject, template);
    t.strictSame(
      named([german.subject, ...german.paragraphs]),
      named([english.subject, ...english.paragraphs]),
      template,
    );
    t.equal(german.action === undefined, english.action === undefined, template);
  }
  t.end();
});

test('own texts replace shipped ones, and wider languages fill the gaps', (t) => {
  const folder = t.testdir({
    'de-AT.json': JSON.stringify({
      password_changed: { subject: 'Servus von {{product}}', paragraphs: ['{{email}}'] },
    }),
    'fr.json': '{}',
    README: 'no language',
  });
  const { choose, text } = loadLanguages(folder);
  t.equal(choose('de-at'), 'de-at');
  t.equal(text('password_changed', 'de-at').subject, 'Servus von {{product}}');
  t.equal(text('reset_password', 'de-at').subject, text('reset_password', 'de').subject);
  t.equal(text('reset_password', 'fr').subject, text('reset_password', 'en').subject);
  t.end();
});

test('a malformed language file stops the start and is named', (t) => {
  for (const [content, fault] of [
    ['{"no_such_mail":{}}', /no mail no_such_mail/],
    ['{"reset_password":{"subject":"s"}}', /must have/],
    ['{"reset_password":{"subject":"{{name}}","paragraphs":[]}}', /names \{\{name\}\}/],
    ['{', /JSON/],
  ] as const) {
    const folder = t.testdir({});
    writeFileSync(join(folder, 'xx.json'), content);
    t.throws(() => loadLanguages(folder), fault);
  }
  t.end();
});

test('a language file whose name is no tag stops the start and is named', (t) => {
  const folder = t.testdir({ 'de_AT.json': '{}' });
  t.throws(() => loadLanguages(folder), /de_AT\.json: de_AT is no BCP 47 tag/);
  t.end();
});

test('HTML values are escaped, and a value that looks like a placeholder stays text', (t) => {
  const hostile = `"><script>alert(1)</script>&'{{link}}`;
  const { subject, text, html } = renderMail(
    { subject: 'For {{product}}', action: 'Go <on>', paragraphs: ['To {{email}}', '{{link}}'] },
    { product: 'A & B', email: hostile, link: 'https://app.example/?a=1&b="2"#token=mpr_x' },
    'en',
  );
  t.equal(subject, 'For A & B');
  t.equal(text, `To ${hostile}\n\nhttps://app.example/?a=1&b="2"#token=mpr_x\n`);
  t.notMatch(html, /<script|\{\{link\}\}[^<]*<a|"2"/);
  t.match(
    html,
    /<a href="https:\/\/app\.example\/\?a=1&amp;b=&quot;2&quot;#token=mpr_x">Go &lt;on&gt;<\/a>/,
  );
  t.match(html, /<title>For A &amp; B<\/title>/);
  t.notMatch(html, /<img|<link|src=|url\(/, 'nothing is loaded from outside');
  t.end();
});
