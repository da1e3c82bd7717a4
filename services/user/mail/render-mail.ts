import type { MailText, MailValues } from './languages.ts';

export interface RenderedMail {
  subject: string;
  text: string;
  html: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

const LINK = '{{link}}';

/** One pass, so a value that looks like a placeholder stays text. */
const fillIn = (text: string, values: MailValues): string =>
  text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => values[name as keyof MailValues] ?? '');

/** Renders a mail as text and HTML. HTML values are escaped, and nothing external is loaded. */
export function renderMail(
  { subject, action, paragraphs }: MailText,
  values: MailValues,
  language: string,
): RenderedMail {
  const { link = '' } = values;
  const href = escapeHtml(link);
  const html = paragraphs.map((paragraph) =>
    paragraph === LINK
      ? renderLink(href, escapeHtml(fillIn(action ?? LINK, values)))
      : `<p>${escapeHtml(fillIn(paragraph, values))}</p>`,
  );
  const title = fillIn(subject, values);
  return {
    subject: title,
    text: `${paragraphs.map((paragraph) => fillIn(paragraph, values)).join('\n\n')}\n`,
    html: renderPage({ title, language, body: html.join('\n') }),
  };
}

const renderLink = (href: string, action: string): string =>
  `<p><a href="${href}">${action}</a></p>\n` +
  `<p style="font-size:small;word-break:break-all">${href}</p>`;

function renderPage(page: { title: string; language: string; body: string }): string {
  const [language, title] = [escapeHtml(page.language), escapeHtml(page.title)];
  return `<!doctype html>
<html lang="${language}">
<head><meta charset="utf-8"><title>${title}</title></head>
<body style="font-family:sans-serif;max-width:40em">
${page.body}
</body>
</html>
`;
}
