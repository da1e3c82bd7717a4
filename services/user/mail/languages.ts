import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Negotiator from 'negotiator';

/** The mails there are. Each says what happened to an account, or asks its owner for a confirmation. */
export const TEMPLATES = [
  'reset_password',
  'password_changed',
  'confirm_email',
  'email_change_requested',
  'email_changed',
] as const;
export type MailTemplate = (typeof TEMPLATES)[number];

/** What a text may name, as `{{product}}`. Nothing that a requester may choose freely is among them: mails must not carry strangers' words. */
export const PLACEHOLDERS = ['product', 'email', 'new_email', 'minutes', 'link'] as const;
export type MailValues = Partial<Record<(typeof PLACEHOLDERS)[number], string>>;

/** One mail in one language. A paragraph that is `{{link}}` alone becomes the link; in HTML it is shown as `action`. */
export interface MailText {
  subject: string;
  action?: string;
  paragraphs: readonly string[];
}

type Language = Partial<Record<MailTemplate, MailText>>;

export interface Languages {
  /** Of the languages there are, the one that an Accept-Language (RFC 9110 §12.5.4) asks for; English when it asks for none of them. */
  choose(acceptLanguage: string | undefined): string;
  /** The text in the language, else in a wider one (`de-AT`, `de`), else in English. */
  text(template: MailTemplate, locale: string): MailText;
}

const LAST = 'en';
const SHIPPED = join(import.meta.dirname, 'languages');

/** @throws naming the file, when it is no language or a text names something that mails do not know */
function readLanguage(folder: string, file: string): Language {
  const fault = (what: string): Error => new Error(`${join(folder, file)}: ${what}`);
  const texts = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<
    string,
    Partial<MailText>
  >;
  for (const [template, text] of Object.entries(texts)) {
    if (!TEMPLATES.some((known) => known === template)) throw fault(`there is no mail ${template}`);
    const { subject, action = '', paragraphs } = text;
    if (
      typeof subject !== 'string' ||
      typeof action !== 'string' ||
      !Array.isArray(paragraphs) ||
      !paragraphs.every((paragraph) => typeof paragraph === 'string')
    )
      throw fault(`${template} must have a subject and paragraphs`);
    for (const [, name = ''] of [subject, action, ...paragraphs]
      .join('\n')
      .matchAll(/\{\{(.*?)\}\}/g)) {
      if (!PLACEHOLDERS.some((known) => known === name))
        throw fault(`${template} names {{${name}}}`);
    }
  }
  return texts as Language;
}

/**
 * The languages of the mails: one JSON file each, named by its tag (BCP 47). Files of a folder of your own come on top, text by text.
 * @throws naming the file
 */
export function loadLanguages(ownFolder?: string): Languages {
  const byTag = new Map<string, Language>();
  for (const folder of [SHIPPED, ...(ownFolder === undefined ? [] : [ownFolder])]) {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      const tag = file.slice(0, -'.json'.length).toLowerCase();
      byTag.set(tag, { ...byTag.get(tag), ...readLanguage(folder, file) });
    }
  }
  // The first one is what «any language» gets.
  const tags = [LAST, ...[...byTag.keys()].filter((tag) => tag !== LAST)];
  return {
    choose: (acceptLanguage) =>
      new Negotiator({ headers: { 'accept-language': acceptLanguage } }).language(tags) ?? LAST,
    text(template, locale) {
      const parts = locale.toLowerCase().split('-');
      const chain = [
        ...parts.map((_, index) => parts.slice(0, parts.length - index).join('-')),
        LAST,
      ];
      const found = chain
        .map((tag) => byTag.get(tag)?.[template])
        .find((text) => text !== undefined);
      if (!found) throw new Error(`the mail ${template} has no text in ${LAST}`);
      return found;
    },
  };
}
