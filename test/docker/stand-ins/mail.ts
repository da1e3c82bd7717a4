/** Stands in for Mailpit: our own mail catcher, on its ports. */
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { startMailCatcher } from '@muniment/cluster';

const SMTP_PORT = 1025;
const PAGE_PORT = 8025;

/** The catcher listens on the loopback only. Here other containers must reach it. */
function forward(port: number, to: number): void {
  createServer((socket) => {
    const upstream = connect(to, '127.0.0.1');
    socket.pipe(upstream).pipe(socket);
    socket.on('error', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
  }).listen(port, '0.0.0.0');
}

const auth = readFileSync(process.env.MP_UI_AUTH_FILE ?? 'no MP_UI_AUTH_FILE', 'utf8').trimEnd();
const [user = '', password = ''] = auth.split(':');
const catcher = await startMailCatcher({ credentials: { user, password } });
forward(SMTP_PORT, catcher.smtpPort);
forward(PAGE_PORT, catcher.pagePort);
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => void catcher.stop().then(() => process.exit(0)));
console.log(`the stand-in for Mailpit takes mails on port ${SMTP_PORT}`);
