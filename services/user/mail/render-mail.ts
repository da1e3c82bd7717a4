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

/** Filled in at once, so that a value which looks like a placeholder stays what it is. */
const fillIn = (text: string, values: MailValues): string =>
  text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => values[name as keyof MailValues] ?? '');

/** A mail as text and as HTML, of the same paragraphs. Everything is escaped; neither loads anything from anywhere. */
export function renderMail(
  { subject, action, paragraphs }: MailText,
  values: MailValues,
  language: string,
): RenderedMail {
  const { link = '' } = values;
  const href = escapeHtml(link);
  const html = paragraphs.map((paragraph) =>
    paragraph === LINK
      ? `<p><a href="${href}">${escapeHtml(fillIn(action ?? LINK, values))}</a></p>\n<p style="font-size:small;word-break:break-all">${href}</p>`
      : `<p>${escapeHtml(fillIn(paragraph, values))}</p>`,
  );
  const title = fillIn(subject, values);
  return {
    subject: title,
    text: `${paragraphs.map((paragraph) => fillIn(paragraph, values)).join('\n\n')}\n`,
    html: `<!doctype html>\n<html lang="${escapeHtml(language)}">\n<head><meta charset="utf-8"><title>${escapeHtml(title)}</title></head>\n<body style="font-family:sans-serif;max-width:40em">\n${html.join('\n')}\n</body>\n</html>\n`,
  };
}
