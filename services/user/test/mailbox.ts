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
  /** Waits for `count` mails to an address. @returns them, oldest first */
  mailsTo(address: string, count?: number): Promise<CaughtMail[]>;
  /** Requests a password reset. @returns the token of its mail */
  resetTokenOf(address: string): Promise<string>;
}

export const tokenIn = (mail: CaughtMail | undefined): string =>
  /#token=(\S+)/.exec(mail?.text ?? '')?.[1] ?? 'no token';

/** A listening user service with a mail server that stores its mails. */
export async function buildWithMail(
  t: Test,
  settings: Record<string, string> = {},
  catching: MailCatcherOptions = {},
): Promise<MailServer> {
  const catcher = await startMailCatcher(catching);
  // Registered before the app's teardown, so it stops after the app.
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
