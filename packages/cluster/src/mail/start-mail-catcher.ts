import { once } from 'node:events';
import { createServer } from 'node:http';
import { callbackify } from 'node:util';
import { SMTPServer } from 'smtp-server';
import { answerMailPage } from './mail-page.ts';
import { createMailStore, type CaughtMail } from './mail-store.ts';

export interface MailCatcherOptions {
  /** 0 or absent: a free port. */
  smtpPort?: number;
  pagePort?: number;
  /** For tests: the reply that refuses a recipient, or undefined to accept it. */
  refuses?: (recipient: string) => { status: number; message: string } | undefined;
}

export interface MailCatcher {
  smtpPort: number;
  pagePort: number;
  /** `smtp://127.0.0.1:<port>` */
  smtpUrl: string;
  pageUrl: string;
  /** Newest first. */
  mails(): CaughtMail[];
  stop(): Promise<void>;
}

const MAX_MAIL_BYTES = 1024 ** 2;
const MAX_MAILS = 200;

/** Reads a mail to its end, as SMTP requires. Undefined when it is too large. */
async function readBounded(stream: AsyncIterable<Buffer>): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size <= MAX_MAIL_BYTES) chunks.push(chunk);
  }
  return size > MAX_MAIL_BYTES ? undefined : Buffer.concat(chunks);
}

/**
 * Starts a mail server for LOCAL USE ONLY, on the loopback, without accounts or TLS.
 * It accepts every mail, delivers none, and shows the newest on a page.
 */
export async function startMailCatcher(options: MailCatcherOptions = {}): Promise<MailCatcher> {
  const store = createMailStore({ mails: MAX_MAILS, bytes: 16 * MAX_MAIL_BYTES });
  const smtp = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    size: MAX_MAIL_BYTES,
    maxClients: 50,
    closeTimeout: 500,
    onRcptTo({ address }, _session, done) {
      const refused = options.refuses?.(address);
      done(refused && Object.assign(new Error(refused.message), { responseCode: refused.status }));
    },
    onData(stream, { envelope }, done) {
      const take = callbackify(async () => {
        const raw = await readBounded(stream);
        if (!raw)
          throw Object.assign(new Error('The mail is larger than 1 MiB.'), { responseCode: 552 });
        await store.add(
          {
            from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
            to: envelope.rcptTo.map(({ address }) => address),
          },
          raw,
        );
      });
      take((error) => done(error));
    },
  });
  // A client may disconnect in the middle of a mail.
  smtp.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    smtp.server.once('error', reject);
    smtp.listen(options.smtpPort ?? 0, '127.0.0.1', () => resolve());
  });
  const page = createServer((request, response) => answerMailPage(store, request, response));
  page.listen(options.pagePort ?? 0, '127.0.0.1');
  await once(page, 'listening');
  const portOf = (address: ReturnType<typeof page.address>): number =>
    typeof address === 'object' && address ? address.port : 0;
  const [smtpPort, pagePort] = [portOf(smtp.server.address()), portOf(page.address())];
  return {
    smtpPort,
    pagePort,
    smtpUrl: `smtp://127.0.0.1:${smtpPort}`,
    pageUrl: `http://localhost:${pagePort}`,
    mails: () => store.list(),
    async stop() {
      page.close();
      page.closeAllConnections();
      await new Promise<void>((resolve) => smtp.close(() => resolve()));
    },
  };
}
