import type { Transaction } from 'kysely';
import { uuidv7 } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import type { Tables } from '../tables.ts';
import type { MailTemplate, MailValues } from './languages.ts';
import { insertMail } from './mail-outbox-queries.ts';

/** The encrypted part of a stored mail: its recipient and token. */
export interface MailContent {
  to: string;
  values: Pick<MailValues, 'email' | 'new_email'>;
  token?: string;
}

export interface NewMail extends MailContent {
  userId: string;
  template: MailTemplate;
  locale: string;
  /** SHA-256 of `token` when it resets a password. */
  resetToken?: Buffer;
  /** SHA-256 of `token` when it changes an address. */
  emailChange?: Buffer;
}

const wrapContext = (id: string): string => `mail:${id}`;

/** Inserts a mail in the transaction of the change that it reports. */
export async function queueMail(
  trx: Transaction<Tables>,
  masterKey: MasterKey,
  { userId, template, locale, resetToken, emailChange, ...content }: NewMail,
): Promise<void> {
  const id = uuidv7(Date.now());
  const wrapped = await masterKey.wrap(
    Buffer.from(JSON.stringify(content satisfies MailContent)),
    wrapContext(id),
  );
  await insertMail(trx, {
    id,
    user_id: userId,
    template,
    locale,
    wrapped_mail: wrapped,
    ...(resetToken && { reset_token: resetToken }),
    ...(emailChange && { email_change: emailChange }),
  });
}

/** Decrypts a queued mail. @throws as `masterKey.unwrap` */
export async function openMail(
  masterKey: MasterKey,
  id: string,
  wrapped: Buffer,
): Promise<MailContent> {
  return JSON.parse((await masterKey.unwrap(wrapped, wrapContext(id))).toString()) as MailContent;
}
