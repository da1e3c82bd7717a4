import type { Test } from 'tap';
import {
  type CaughtMail,
  type MailCatcher,
  type MailCatcherOptions,
  startMailCatcher,
} from '@muniment/cluster';
import { until } from '@muniment/testing';
import { build, type TestServer } from './build.ts';

export interface MailServer extends TestServer {
  catcher: MailCatcher;
  /** The mails to an address, oldest first, once there are so many. */
  mailsTo(address: string, count?: number): Promise<CaughtMail[]>;
  /** Asks for a new password and reads the token in the mail. */
  resetTokenOf(address: string): Promise<string>;
}

export const tokenIn = (mail: CaughtMail | undefined): string =>
  /#token=(\S+)/.exec(mail?.text ?? '')?.[1] ?? 'no token';

/** A user service whose loops run, with a mail server that catches what it sends. */
export async function buildWithMail(
  t: Test,
  settings: Record<string, string> = {},
  catching: MailCatcherOptions = {},
): Promise<MailServer> {
  const catcher = await startMailCatcher(catching);
  // Before the app's own, so that the app has stopped sending when this stops.
  t.teardown(() => catcher.stop());
  const testServer = await build(t, {
    SMTP_URL: catcher.smtpUrl,
    MAIL_POLL_MS: '20',
    PUBLIC_URL: 'https://app.example',
    ...settings,
  });
  await testServer.context.http.app.listen({ host: '127.0.0.1', port: 0 });
  const mailsTo: MailServer['mailsTo'] = (address, count = 1) =>
    until(
      () => {
        const mails = catcher
          .mails()
          .filter(({ to }) => to.includes(address))
          .toReversed();
        return mails.length >= count && mails;
      },
      { what: `${count} mails to ${address}` },
    );
  return {
    ...testServer,
    catcher,
    mailsTo,
    async resetTokenOf(address) {
      const before = catcher.mails().filter(({ to }) => to.includes(address)).length;
      await testServer.call('POST', '/api/auth/forgot-password', { body: { email: address } });
      return tokenIn((await mailsTo(address, before + 1)).at(-1));
    },
  };
}
