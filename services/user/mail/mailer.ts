import { createTransport } from 'nodemailer';
import type { DependencyCheck } from '@muniment/server';
import type { RenderedMail } from './render-mail.ts';

export interface OutgoingMail extends RenderedMail {
  /** The same at every attempt: receivers know a second copy by the Message-ID that is made of it. */
  id: string;
  to: string;
}

/** Why a mail was not taken. Without the server's own words: they name the address. */
export interface MailFailure {
  /** As nodemailer names it: ECONNECTION, EAUTH, EENVELOPE ... */
  code: string;
  /** The server's reply (RFC 5321 §4.2), when there was one. */
  status: number | null;
  /** This mail will never be taken: its address or what is in it was refused. Anything else may be different in a moment. */
  permanent: boolean;
  /** It was about this mail, and other mails may go at this moment. */
  ofMail: boolean;
}

export interface Mailer {
  /** @returns undefined once the server has taken the mail */
  send(mail: OutgoingMail): Promise<MailFailure | undefined>;
  /** Readiness: a server that is down is only said, since the outbox waits for it. */
  check: DependencyCheck;
  close(): void;
}

export interface MailerOptions {
  /** `smtp://` (STARTTLS where the server offers it; `?requireTLS=true` to insist) or `smtps://` */
  url: string;
  from: string;
  /** Milliseconds for one mail, from the connection to the server's word that it has taken it. */
  timeoutMs: number;
}

const UP_LOOK_MS = 30_000;
const DOWN_LOOK_MS = 5_000;

interface SmtpError {
  code?: string;
  responseCode?: number;
  command?: string;
  response?: string;
}

/** By the enhanced status code (RFC 3463): 5.7 speaks of permission, which is the sender's own affair and not the mail's. */
function failureOf({ code, responseCode, command = '', response = '' }: SmtpError): MailFailure {
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

/** Sends mails by SMTP, over a connection of its own for each: they are few, and nothing of a lost connection is carried over. */
export function createMailer({ url, from, timeoutMs }: MailerOptions): Mailer {
  const wait = Math.min(timeoutMs, 5_000);
  const transport = createTransport({
    url,
    connectionTimeout: wait,
    greetingTimeout: wait,
    socketTimeout: wait,
    dnsTimeout: wait,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = /@([^\s<>@]+)>?$/.exec(from)?.[1] ?? 'localhost';
  let nextLook = 0;
  let up = true;
  let looking: Promise<unknown> | undefined;

  async function look(): Promise<void> {
    const failed = await transport.verify().then(
      () => false,
      () => true,
    );
    up = !failed;
    nextLook = performance.now() + (up ? UP_LOOK_MS : DOWN_LOOK_MS);
  }

  return {
    async send({ id, to, subject, text, html }) {
      try {
        await transport.sendMail({
          // As objects: nothing of an address is parsed, so nothing in it can become another one. Line breaks do not get into a header (RFC 5322 §2.2).
          from,
          to: { name: '', address: to },
          messageId: `<${id}@${domain}>`,
          subject,
          text,
          html,
          // RFC 3834 §5: no vacation notice answers it.
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal: AbortSignal.timeout(timeoutMs),
        });
        up = true;
        return undefined;
      } catch (error) {
        const failure = failureOf(error as SmtpError);
        if (failure.status === null) up = false;
        return failure;
      }
    },
    check: {
      name: 'smtp',
      critical: false,
      async check() {
        if (performance.now() >= nextLook) {
          looking ??= look().finally(() => {
            looking = undefined;
          });
          await looking;
        }
        if (!up) throw new Error('the mail server does not answer');
      },
    },
    close: () => transport.close(),
  };
}
