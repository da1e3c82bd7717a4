import { createTransport } from 'nodemailer';
import type { DependencyCheck } from '@muniment/server';
import type { RenderedMail } from './render-mail.ts';

export interface OutgoingMail extends RenderedMail {
  /** The same for each attempt, so its Message-ID reveals copies. */
  id: string;
  to: string;
}

/** Why a mail was not accepted, without the server's text, which names the address. */
export interface MailFailure {
  /** As nodemailer names it: ECONNECTION, EAUTH, EENVELOPE ... */
  code: string;
  /** The server's reply (RFC 5321 §4.2), when there was one. */
  status: number | null;
  /** The server refuses this mail for good; other failures may pass. */
  permanent: boolean;
  /** Only this mail failed, so other mails may be sent. */
  ofMail: boolean;
}

export interface Mailer {
  /** @returns undefined once the server has accepted the mail */
  send(mail: OutgoingMail): Promise<MailFailure | undefined>;
  /** Not critical, since the outbox waits for the server. */
  check: DependencyCheck;
  close(): void;
}

export interface MailerOptions {
  /** `smtps://` or `smtp://`; `?requireTLS=true` demands STARTTLS. */
  url: string;
  from: string;
  /** Milliseconds for one mail, from the connection to the server's reply. */
  timeoutMs: number;
}

const MAX_WAIT_MS = 5_000;
const UP_RECHECK_MS = 30_000;
const DOWN_RECHECK_MS = 5_000;

/** Sends each mail over its own SMTP connection; mails are few. */
export function createMailer({ url, from, timeoutMs }: MailerOptions): Mailer {
  const transport = openTransport(url, Math.min(timeoutMs, MAX_WAIT_MS));
  const server = watchServer(() => transport.verify());
  const domain = /@([^\s<>@]+)>?$/.exec(from)?.[1] ?? 'localhost';
  return {
    async send({ id, to, subject, text, html }) {
      try {
        await transport.sendMail({
          // Objects are not parsed, so no part of an address becomes another recipient.
          from,
          to: { name: '', address: to },
          messageId: `<${id}@${domain}>`,
          subject,
          text,
          html,
          // Asks for no vacation notice (RFC 3834 §5).
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal: AbortSignal.timeout(timeoutMs),
        });
        server.setUp(true);
        return undefined;
      } catch (error) {
        const failure = parseFailure(error as SmtpError);
        if (failure.status === null) server.setUp(false);
        return failure;
      }
    },
    check: { name: 'smtp', critical: false, check: server.check },
    close: () => transport.close(),
  };
}

const openTransport = (url: string, waitMs: number) =>
  createTransport({
    url,
    connectionTimeout: waitMs,
    greetingTimeout: waitMs,
    socketTimeout: waitMs,
    dnsTimeout: waitMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });

/** Whether the server is up, verified again after a while. */
function watchServer(verify: () => Promise<unknown>) {
  let nextCheck = 0;
  let isUp = true;
  let checking: Promise<unknown> | undefined;
  async function recheck(): Promise<void> {
    isUp = await verify().then(
      () => true,
      () => false,
    );
    nextCheck = performance.now() + (isUp ? UP_RECHECK_MS : DOWN_RECHECK_MS);
  }
  return {
    setUp(up: boolean) {
      isUp = up;
    },
    async check(): Promise<void> {
      if (performance.now() >= nextCheck) {
        checking ??= recheck().finally(() => {
          checking = undefined;
        });
        await checking;
      }
      if (!isUp) throw new Error('the mail server does not answer');
    },
  };
}

interface SmtpError {
  code?: string;
  responseCode?: number;
  command?: string;
  response?: string;
}

/** Status 5.7 (RFC 3463) refuses the sender, not the mail. */
function parseFailure(error: SmtpError): MailFailure {
  const { code, responseCode, command = '', response = '' } = error;
  const ofMail =
    responseCode !== undefined &&
    responseCode !== 421 &&
    /^(RCPT TO|DATA)/.test(command) &&
    !/\b[45]\.7\.\d/.test(response);
  return {
    code: code ?? 'EUNKNOWN',
    status: responseCode ?? null,
    ofMail,
    permanent: ofMail && responseCode >= 500,
  };
}
