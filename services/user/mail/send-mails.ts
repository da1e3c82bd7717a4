import { randomUUID } from 'node:crypto';
import { repeat } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { restartEmailChange } from '../verification/email-change-queries.ts';
import {
  markMailDead,
  claimMails,
  deleteMail,
  rescheduleMails,
  rescheduleMail,
  type ClaimedMail,
} from './mail-outbox-queries.ts';
import { restartResetToken } from '../verification/recovery-queries.ts';
import type { MailTemplate, MailValues } from './languages.ts';
import type { MailFailure, OutgoingMail } from './mailer.ts';
import { measureMails } from './mail-metrics.ts';
import { openMail } from './queue-mail.ts';
import { renderMail } from './render-mail.ts';
import { retryDelay } from './retry-delay.ts';

/** Mails that a replica sends at once. */
const AT_ONCE = 8;
/** In one round: a stop waits for its end. */
const BATCHES = 10;
const HASTEN_WITHIN_MS = 10_000;
const SECONDS_PER_MINUTE = 60;

/**
 * Sends what waits in the outbox, on every replica. At least once, under one Message-ID: who dies between the server's word and the row's end
 * leaves a mail that goes a second time once its claim has run out.
 */
export function sendMails(server: UserContext): void {
  const { mailer, languages } = server.mail;
  const { db, config, masterKey, log } = server;
  const counters = measureMails(db, server.metrics);
  let failing = false;

  /** A link's time begins when its mail goes. @returns false when the link is void, and the mail with it */
  async function stillCounts({
    reset_token: resetToken,
    email_change: emailChange,
  }: ClaimedMail): Promise<boolean> {
    if (resetToken) return restartResetToken(db, resetToken, config.RESET_TOKEN_TTL_S);
    return !emailChange || restartEmailChange(db, emailChange, config.EMAIL_TOKEN_TTL_S);
  }

  /** In the fragment, which no browser sends: a token does not get into a log or a Referer (RFC 9110 §10.1.3). */
  function linkOf(
    mail: ClaimedMail,
    token: string | undefined,
  ): Pick<MailValues, 'link' | 'minutes'> {
    if (token === undefined) return {};
    const [page, seconds] = mail.reset_token
      ? [config.MAIL_LINK_RESET ?? `${config.PUBLIC_URL}/reset-password`, config.RESET_TOKEN_TTL_S]
      : [config.MAIL_LINK_EMAIL ?? `${config.PUBLIC_URL}/confirm-email`, config.EMAIL_TOKEN_TTL_S];
    return {
      link: `${page}#token=${token}`,
      minutes: String(Math.floor(seconds / SECONDS_PER_MINUTE)),
    };
  }

  async function settleFailure(
    mail: ClaimedMail,
    claim: string,
    { code, status, permanent, ofMail }: MailFailure,
  ): Promise<void> {
    const age = Date.now() - mail.created.getTime();
    const about = { mail: mail.id, template: mail.template, attempts: mail.attempts, code, status };
    if (permanent || age > config.MAIL_GIVE_UP_S * 1_000) {
      await markMailDead(db, mail.id, claim);
      counters.failed('dead');
      log.error(about, 'mail given up');
      return;
    }
    await rescheduleMail(db, mail.id, claim, retryDelay(mail.attempts));
    counters.failed('postponed');
    if (ofMail) return log.info(about, 'mail not taken now; it is tried again');
    if (!failing) log.warn(about, 'mails cannot be sent; they wait');
    failing = true;
  }

  async function write(mail: ClaimedMail): Promise<OutgoingMail> {
    const { to, values, token } = await openMail(masterKey, mail.id, mail.wrapped_mail);
    const text = languages.text(mail.template as MailTemplate, mail.locale);
    return {
      id: mail.id,
      to,
      ...renderMail(
        text,
        { product: config.PRODUCT_NAME, ...values, ...linkOf(mail, token) },
        mail.locale,
      ),
    };
  }

  async function sendOne(mail: ClaimedMail, claim: string): Promise<void> {
    const written = await write(mail).catch((error: unknown) => {
      log.warn(
        { err: error, mail: mail.id, template: mail.template },
        'a mail could not be written; it is tried again',
      );
    });
    if (!written)
      return settleFailure(mail, claim, {
        code: 'EWRITE',
        status: null,
        permanent: false,
        ofMail: true,
      });
    if (!(await stillCounts(mail))) return;
    const failure = await mailer.send(written);
    if (failure) return settleFailure(mail, claim, failure);
    await deleteMail(db, mail.id, claim);
    counters.sent(mail.template);
    if (!failing) return;
    failing = false;
    log.info('mails are sent again');
    await rescheduleMails(db, HASTEN_WITHIN_MS);
  }

  async function round(): Promise<void> {
    for (let batch = 0; batch < BATCHES; batch += 1) {
      const claim = randomUUID();
      const claimed = await claimMails(db, claim, AT_ONCE, config.MAIL_CLAIM_MS);
      const outcomes = await Promise.allSettled(claimed.map((mail) => sendOne(mail, claim)));
      // The row stands as it was, and is had by somebody once its claim has run out.
      const fault = outcomes.find(({ status }) => status === 'rejected');
      if (fault?.status === 'rejected') throw fault.reason;
      if (claimed.length < AT_ONCE || failing) return;
    }
  }

  server.background(
    repeat('mails', config.MAIL_POLL_MS, round, (error) =>
      log.warn({ err: error }, 'the outbox of mails could not be worked off; it is tried again'),
    ),
  );
  server.afterLoops(() => mailer.close());
}
