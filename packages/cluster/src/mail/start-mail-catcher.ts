import { once } from 'node:events';
import { createServer } from 'node:http';
import { callbackify } from 'node:util';
import { SMTPServer } from 'smtp-server';
import { isMailUser, type MailCredentials } from './credentials.ts';
import { answerMailPage } from './mail-page.ts';
import { createMailStore, type CaughtMail, type MailStore } from './mail-store.ts';

export interface MailCatcherOptions {
  /** 0 or absent: a free port. */
  smtpPort?: number;
  pagePort?: number;
  /** Asked for by the page and by SMTP. Absent, for tests: everybody on this machine. */
  credentials?: MailCredentials;
  /** For tests: the reply that refuses a recipient, or undefined to accept it. */
  refuses?: (recipient: string) => { status: number; message: string } | undefined;
}

export interface MailCatcher {
  smtpPort: number;
  pagePort: number;
  /** `smtp://127.0.0.1:<port>`, without credentials. */
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
 * Starts a mail server for LOCAL USE ONLY, on the loopback, without TLS.
 * It accepts every mail, delivers none, and shows the newest on a page.
 */
export async function startMailCatcher(options: MailCatcherOptions = {}): Promise<MailCatcher> {
  const store = createMailStore({ mails: MAX_MAILS, bytes: 16 * MAX_MAIL_BYTES });
  const smtp = createSmtpServer(store, options);
  await new Promise<void>((resolve, reject) => {
    smtp.server.once('error', reject);
    smtp.listen(options.smtpPort ?? 0, '127.0.0.1', () => resolve());
  });
  const page = createServer((request, response) =>
    answerMailPage({ store, credentials: options.credentials }, request, response),
  );
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

function createSmtpServer(store: MailStore, { credentials, refuses }: MailCatcherOptions) {
  const smtp = new SMTPServer({
    disabledCommands: credentials ? ['STARTTLS'] : ['AUTH', 'STARTTLS'],
    // Without TLS a password is safe only on the loopback, where this server listens.
    allowInsecureAuth: true,
    disableReverseLookup: true,
    size: MAX_MAIL_BYTES,
    maxClients: 50,
    closeTimeout: 500,
    onAuth({ username, password }, _session, done) {
      if (isMailUser(credentials, { user: username, password })) done(null, { user: username });
      else done(Object.assign(new Error('Wrong user or password.'), { responseCode: 535 }));
    },
    onRcptTo({ address }, _session, done) {
      const refused = refuses?.(address);
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
  return smtp;
}
