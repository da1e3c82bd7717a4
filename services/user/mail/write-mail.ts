import type { UserContext } from '../context.ts';
import type { MailTemplate, MailValues } from './languages.ts';
import type { ClaimedMail } from './mail-outbox-queries.ts';
import type { OutgoingMail } from './mailer.ts';
import { linkLifetime } from './link-lifetime.ts';
import { openMail } from './queue-mail.ts';
import { renderMail } from './render-mail.ts';

const SECONDS_PER_MINUTE = 60;

/** Decrypts and renders a claimed mail. @throws as `masterKey.unwrap` */
export async function writeMail(
  { config, crypto, mail: { languages } }: Pick<UserContext, 'config' | 'crypto' | 'mail'>,
  mail: ClaimedMail,
): Promise<OutgoingMail> {
  const { to, values, token } = await openMail(crypto.masterKey, mail.id, mail.wrapped_mail);
  const text = languages.text(mail.template as MailTemplate, mail.locale);
  const link = token === undefined ? {} : linkValues(config, mail, token);
  const allValues = { product: config.PRODUCT_NAME, ...values, ...link };
  return { id: mail.id, to, ...renderMail(text, allValues, mail.locale) };
}

/** Browsers do not send the fragment, so the token enters no log or Referer (RFC 9110 §10.1.3). */
function linkValues(
  config: UserContext['config'],
  mail: ClaimedMail,
  token: string,
): Pick<MailValues, 'link' | 'minutes' | 'until'> {
  const page = mail.reset_token
    ? (config.MAIL_LINK_RESET ?? `${config.PUBLIC_URL}/reset-password`)
    : (config.MAIL_LINK_EMAIL ?? `${config.PUBLIC_URL}/confirm-email`);
  const seconds = linkLifetime(config, mail);
  const minutes = String(Math.floor(seconds / SECONDS_PER_MINUTE));
  const until = formatTime(Date.now() + seconds * 1_000, mail.locale);
  return { link: `${page}#token=${token}`, minutes, until };
}

/** A time as its readers write it, in UTC: the reader's zone is unknown. */
function formatTime(time: number, locale: string): string {
  const format = new Intl.DateTimeFormat(locale, {
    dateStyle: 'long',
    timeStyle: 'short',
    timeZone: 'UTC',
  });
  return `${format.format(time)} UTC`;
}
