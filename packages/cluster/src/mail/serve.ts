// The mail catcher as a process. Environment: SMTP_PORT, PAGE_PORT, MAIL_USER, MAIL_PASSWORD.
import { startMailCatcher } from './start-mail-catcher.ts';

const { SMTP_PORT = '0', PAGE_PORT = '0', MAIL_USER: user, MAIL_PASSWORD: password } = process.env;
if (!user || !password) throw new Error('Set MAIL_USER and MAIL_PASSWORD.');
const catcher = await startMailCatcher({
  smtpPort: Number(SMTP_PORT),
  pagePort: Number(PAGE_PORT),
  credentials: { user, password },
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void catcher.stop().then(() => process.exit(0));
  });
}

// Last: a caller that waits for this line may send a signal at once.
console.log(
  `mail catcher for local use only, ready at ${catcher.smtpUrl}, its page at ${catcher.pageUrl}`,
);
