import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Negotiator from 'negotiator';

/** The mails, named by what they report or confirm. */
export const TEMPLATES = [
  'reset_password',
  'set_password',
  'invitation',
  'password_changed',
  'confirm_email',
  'email_change_requested',
  'email_changed',
] as const;
export type MailTemplate = (typeof TEMPLATES)[number];

/**
 * What a text may name, as `{{product}}`. Requesters choose none freely, or mails would carry spam.
 */
export const PLACEHOLDERS = ['product', 'email', 'new_email', 'minutes', 'until', 'link'] as const;
export type MailValues = Partial<Record<(typeof PLACEHOLDERS)[number], string>>;

/**
 * One mail in one language. The paragraph `{{link}}` becomes the link, labelled `action` in HTML.
 */
export interface MailText {
  subject: string;
  action?: string;
  paragraphs: readonly string[];
}

type Language = Partial<Record<MailTemplate, MailText>>;

export interface Languages {
  /** The language of an Accept-Language (RFC 9110 §12.5.4), else English. */
  choose(acceptLanguage: string | undefined): string;
  /** The text in this language, a wider one (`de-AT`, `de`), or English. */
  text(template: MailTemplate, locale: string): MailText;
}

const FALLBACK = 'en';
const SHIPPED = join(import.meta.dirname, 'languages');

/**
 * Loads a JSON file per language, named by its BCP 47 tag. Files in `ownFolder` win.
 * @throws Error naming the file
 */
export function loadLanguages(ownFolder?: string): Languages {
  const byTag = readFolders(ownFolder === undefined ? [SHIPPED] : [SHIPPED, ownFolder]);
  // The first tag answers `*`.
  const tags = [FALLBACK, ...[...byTag.keys()].filter((tag) => tag !== FALLBACK)];
  return {
    choose: (acceptLanguage) =>
      new Negotiator({ headers: { 'accept-language': acceptLanguage } }).language(tags) ?? FALLBACK,
    text(template, locale) {
      const texts = listWiderTags(locale).map((tag) => byTag.get(tag)?.[template]);
      const text = texts.find((candidate) => candidate !== undefined);
      if (!text) throw new Error(`the mail ${template} has no text in ${FALLBACK}`);
      return text;
    },
  };
}

/** `de-AT` as `de-at`, `de`, `en`. */
function listWiderTags(locale: string): string[] {
  const parts = locale.toLowerCase().split('-');
  return [...parts.map((_, index) => parts.slice(0, parts.length - index).join('-')), FALLBACK];
}

function readFolders(folders: readonly string[]): Map<string, Language> {
  const byTag = new Map<string, Language>();
  for (const folder of folders) {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      const tag = readTag(folder, file);
      byTag.set(tag, { ...byTag.get(tag), ...readLanguage(join(folder, file)) });
    }
  }
  return byTag;
}

/** @throws an error that names the file: its mails could not tell a date */
function readTag(folder: string, file: string): string {
  const tag = file.slice(0, -'.json'.length);
  try {
    Intl.getCanonicalLocales(tag);
  } catch (cause) {
    throw new Error(`${join(folder, file)}: ${tag} is no BCP 47 tag`, { cause });
  }
  return tag.toLowerCase();
}

/** @throws an error that names the file */
function readLanguage(file: string): Language {
  const texts = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Partial<MailText>>;
  for (const [template, text] of Object.entries(texts)) {
    const fault = findFault(template, text);
    if (fault !== undefined) throw new Error(`${file}: ${fault}`);
  }
  return texts as Language;
}

function findFault(template: string, text: Partial<MailText>): string | undefined {
  if (!TEMPLATES.some((known) => known === template)) return `there is no mail ${template}`;
  const { subject, action = '', paragraphs } = text;
  if (
    typeof subject !== 'string' ||
    typeof action !== 'string' ||
    !Array.isArray(paragraphs) ||
    !paragraphs.every((paragraph) => typeof paragraph === 'string')
  )
    return `${template} must have a subject and paragraphs`;
  const names = [subject, action, ...paragraphs].join('\n').matchAll(/\{\{(.*?)\}\}/g);
  for (const [, name = ''] of names) {
    if (!PLACEHOLDERS.some((known) => known === name)) return `${template} names {{${name}}}`;
  }
  return undefined;
}
