import { randomUUID } from 'node:crypto';
import { repeat } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { restartEmailChange } from '../verification/email-change-queries.ts';
import { restartResetToken } from '../verification/recovery-queries.ts';
import { linkLifetime } from './link-lifetime.ts';
import { measureMails, type MailCounters } from './mail-metrics.ts';
import {
  claimMails,
  deleteMail,
  markMailDead,
  rescheduleMail,
  rescheduleMails,
  type ClaimedMail,
} from './mail-outbox-queries.ts';
import type { MailFailure } from './mailer.ts';
import { retryDelay } from './retry-delay.ts';
import { writeMail } from './write-mail.ts';

/** Mails that a replica sends in parallel. */
const BATCH_SIZE = 8;
/** Batches in one round: a stop waits for its end. */
const MAX_BATCHES = 10;
const RESCHEDULE_WITHIN_MS = 10_000;

interface Sender extends Pick<UserContext, 'config' | 'data' | 'crypto' | 'http' | 'mail'> {
  counters: MailCounters;
  /** Whether the mail server refuses everything, or does not answer. */
  isFailing: boolean;
}

/** Sends the outbox's mails at least once: a crash may repeat one. */
export function startMailSender(context: UserContext): void {
  const { config, data, crypto, http, mail, jobs, metrics } = context;
  const counters = measureMails(data.db, metrics);
  const sender: Sender = { config, data, crypto, http, mail, counters, isFailing: false };
  jobs.add(
    repeat(
      'mails',
      config.MAIL_POLL_MS,
      () => sendDueMails(sender),
      (error) => http.log.warn({ err: error }, 'the mail outbox failed; it is tried again'),
    ),
  );
  jobs.closeAfter(() => mail.mailer.close());
}

async function sendDueMails(sender: Sender): Promise<void> {
  const { data, config } = sender;
  const claiming = { limit: BATCH_SIZE, leaseMs: config.MAIL_CLAIM_MS };
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const mails = await claimMails(data.db, randomUUID(), claiming);
    const outcomes = await Promise.allSettled(mails.map((mail) => sendMail(sender, mail)));
    // The row is unchanged, and free again when its claim has expired.
    const fault = outcomes.find(({ status }) => status === 'rejected');
    if (fault?.status === 'rejected') throw fault.reason;
    if (mails.length < BATCH_SIZE || sender.isFailing) return;
  }
}

async function sendMail(sender: Sender, mail: ClaimedMail): Promise<void> {
  const {
    data,
    http,
    mail: { mailer },
    counters,
  } = sender;
  const written = await writeMail(sender, mail).catch((error: unknown) => {
    const { id, template } = mail;
    http.log.warn({ err: error, mail: id, template }, 'mail not written; it is tried again');
  });
  if (!written) return settleFailure(sender, mail, UNWRITTEN);
  if (!(await restartToken(sender, mail))) return;
  const failure = await mailer.send(written);
  if (failure) return settleFailure(sender, mail, failure);
  await deleteMail(data.db, mail);
  counters.sent(mail.template);
  if (!sender.isFailing) return;
  sender.isFailing = false;
  http.log.info('mails are sent again');
  await rescheduleMails(data.db, RESCHEDULE_WITHIN_MS);
}

const UNWRITTEN: MailFailure = { code: 'EWRITE', status: null, permanent: false, ofMail: true };

/** Starts a link's lifetime when its mail is sent. @returns false for a void link */
async function restartToken(
  { data: { db }, config }: Pick<Sender, 'data' | 'config'>,
  mail: ClaimedMail,
): Promise<boolean> {
  const { reset_token: resetToken, email_change: emailChange } = mail;
  const seconds = linkLifetime(config, mail);
  if (resetToken) return restartResetToken(db, resetToken, seconds);
  return !emailChange || restartEmailChange(db, emailChange, seconds);
}

async function settleFailure(
  sender: Sender,
  mail: ClaimedMail,
  { code, status, permanent, ofMail }: MailFailure,
): Promise<void> {
  const {
    data: { db },
    config,
    http: { log },
    counters,
  } = sender;
  const age = Date.now() - mail.created.getTime();
  const details = { mail: mail.id, template: mail.template, attempts: mail.attempts, code, status };
  if (permanent || age > config.MAIL_GIVE_UP_S * 1_000) {
    await markMailDead(db, mail);
    counters.failed('dead');
    log.error(details, 'mail given up');
    return;
  }
  await rescheduleMail(db, mail, retryDelay(mail.attempts));
  counters.failed('postponed');
  if (ofMail) return log.info(details, 'mail refused for now; it is tried again');
  if (!sender.isFailing) log.warn(details, 'mails cannot be sent; they wait');
  sender.isFailing = true;
}
