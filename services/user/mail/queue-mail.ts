import type { Transaction } from 'kysely';
import { uuidv7 } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import { insertMail } from './mail-outbox-queries.ts';
import type { Tables } from '../tables.ts';
import type { MailTemplate, MailValues } from './languages.ts';

/** What of a mail nobody may read in the database: where it goes, and the token that it carries. */
export interface MailContent {
  to: string;
  values: Pick<MailValues, 'email' | 'new_email'>;
  token?: string;
}

export interface NewMail extends MailContent {
  userId: string;
  template: MailTemplate;
  locale: string;
  /** SHA-256 of `token`, by what it is good for. */
  resetToken?: Buffer;
  emailChange?: Buffer;
}

const contextOf = (id: string): string => `mail:${id}`;

/** Puts a mail into the outbox of the transaction of what it tells: no commit, no mail; and whatever is committed will be told. */
export async function queueMail(
  trx: Transaction<Tables>,
  masterKey: MasterKey,
  { userId, template, locale, resetToken, emailChange, ...content }: NewMail,
): Promise<void> {
  const id = uuidv7(Date.now());
  const wrapped = await masterKey.wrap(
    Buffer.from(JSON.stringify(content satisfies MailContent)),
    contextOf(id),
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

/** @throws as `masterKey.unwrap` */
export async function openMail(
  masterKey: MasterKey,
  id: string,
  wrapped: Buffer,
): Promise<MailContent> {
  return JSON.parse((await masterKey.unwrap(wrapped, contextOf(id))).toString()) as MailContent;
}
