import type { IncomingMessage, ServerResponse } from 'node:http';
import { isMailUser, parseBasic, type MailCredentials } from './credentials.ts';
import type { CaughtMail, MailStore } from './mail-store.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escape = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
const withLinks = (text: string): string =>
  escape(text).replaceAll(/https?:\/\/\S+/g, (url) => `<a href="${url}">${url}</a>`);

const article = ({ received, from, to, subject, text, html }: CaughtMail): string => `<article>
<h2>${escape(subject)}</h2>
<p>${escape(received)} from ${escape(from)} to ${escape(to.join(', '))}</p>
<pre>${withLinks(text)}</pre>
<details><summary>HTML</summary>
<iframe sandbox="allow-popups" srcdoc="${escape(html)}"></iframe></details>
</article>`;

const page = (mails: readonly CaughtMail[]): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>Mails (${mails.length})</title>
<style>
body{font-family:sans-serif;max-width:60em;margin:2em auto}
article{border-top:1px solid #999}
pre{white-space:pre-wrap}
iframe{width:100%;height:20em}
</style></head>
<body><h1>Mails that this fleet has sent</h1>
<p>None was delivered. The newest ${mails.length} are here, in memory.
As JSON: <a href="/api/messages">/api/messages</a></p>
${mails.map(article).join('\n')}
</body></html>
`;

// By DNS rebinding a foreign page could read the links under another host name.
const LOCAL = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

export interface MailPage {
  store: MailStore;
  /** Absent: nobody is asked. */
  credentials: MailCredentials | undefined;
}

/**
 * Serves the mails: a page at `/`, JSON at `/api/messages`. `?to=` filters, DELETE clears.
 * `/health` answers without credentials and tells nothing.
 */
export function answerMailPage(
  { store, credentials }: MailPage,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const send = (status: number, type: string, body: string): void =>
    void response
      .writeHead(status, {
        'content-type': `${type}; charset=utf-8`,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'content-security-policy':
          "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; " +
          "base-uri 'none'; form-action 'none'",
      })
      .end(body);
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const to = searchParams.get('to')?.toLowerCase();
  if (!LOCAL.test(request.headers.host ?? ''))
    return send(421, 'text/plain', 'Use localhost as the host name.\n');
  if (request.method === 'GET' && pathname === '/health') return send(200, 'text/plain', 'up\n');
  if (credentials && !isMailUser(credentials, parseBasic(request.headers.authorization))) {
    response.setHeader('www-authenticate', 'Basic realm="mails", charset="UTF-8"');
    return send(401, 'text/plain', 'Sign in with the user and password of this fleet.\n');
  }
  if (request.method === 'GET' && pathname === '/')
    return send(200, 'text/html', page(store.list()));
  if (request.method === 'GET' && pathname === '/api/messages') {
    const mails = store
      .list()
      .filter(
        (mail) => to === undefined || mail.to.some((address) => address.toLowerCase() === to),
      );
    return send(200, 'application/json', JSON.stringify(mails));
  }
  if (request.method === 'DELETE' && pathname === '/api/messages') {
    store.clear();
    response.writeHead(204).end();
    return;
  }
  send(404, 'text/plain', 'There is nothing at this path.\n');
}
