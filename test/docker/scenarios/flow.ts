import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '@muniment/testing';
import type { Checks } from '../checks.ts';
import { type ContainerFleet, SETTINGS } from '../container-fleet.ts';
import { PASSWORD } from '../../e2e/fleet.ts';

const FILE_BYTES = 7 * 1024 ** 2;
const REPLICAS = 6;

/** What a first run of the flow leaves, to be found again after `down` and `up`. */
export interface FlowData {
  email: string;
  fileId: string;
  sha256: string;
  events: string[];
}

/** Registering, signing in, a large upload, its download, and the trail, through the gateway. */
export async function runFlow(fleet: ContainerFleet, checks: Checks): Promise<FlowData> {
  const { check } = checks;
  const { call } = fleet;
  const account = await fleet.signUp();
  const { email } = account.user;
  const login = await call('POST', '/api/users/login', { json: { email, password: PASSWORD } });
  const { token } = (await login.json()) as { token: string };
  check('an account signs in', login.status === 200, login.status);

  const bytes = randomBytes(FILE_BYTES);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const uploaded = await fleet.upload(token, 'seven.bin', bytes);
  const file = (await uploaded.json()) as { id: string; sha256: string };
  check('7 MiB are uploaded', uploaded.status === 201 && file.sha256 === sha256, file);
  check('they come back by X-Accel-Redirect', (await digest(fleet, token, file.id)) === sha256);

  const trail = await until(
    async () => {
      const found = await fleet.trail(token);
      return found.length >= 4 && found.map(({ action }) => action);
    },
    { what: 'four events in the trail', timeoutMs: 30_000 },
  );
  const wanted = ['SIGNUP_SUCCESS', 'LOGIN_SUCCESS', 'FILE_UPLOAD', 'FILE_DOWNLOAD'];
  check('the trail has them in order', trail.join() === wanted.join(), trail);
  await checkSurroundings(fleet, checks, email);
  return { email, fileId: file.id, sha256, events: trail };
}

async function checkSurroundings(
  fleet: ContainerFleet,
  { check }: Checks,
  email: string,
): Promise<void> {
  await fleet.call('POST', '/api/auth/forgot-password', { json: { email } });
  const mail = await until(() => newestMail(fleet, email), {
    what: 'a mail in the catcher',
    timeoutMs: 30_000,
  });
  check('a mail arrives, with the product name that was set', mail.includes(SETTINGS.PRODUCT_NAME));
  check(
    'its link leads to the gateway of this run',
    mail.includes(`http://localhost:${fleet.ports.http}/`),
    mail.slice(0, 500),
  );
  const healthy = await until(
    async () => {
      const answer = await fetch(`http://127.0.0.1:${fleet.ports.prometheus}/api/v1/targets`);
      const { data } = (await answer.json()) as {
        data: { activeTargets: { health: string; labels: { job: string } }[] };
      };
      const up = data.activeTargets.filter(
        ({ health, labels }) => health === 'up' && labels.job !== 'prometheus',
      );
      return up.length === REPLICAS && up.length;
    },
    { what: `Prometheus reads ${REPLICAS} replicas`, timeoutMs: 60_000 },
  ).catch((error: unknown) => String(error));
  check('Prometheus reads all replicas', healthy === REPLICAS, healthy);
}

async function newestMail(fleet: ContainerFleet, email: string): Promise<string | false> {
  const auth = await readFile(join(fleet.folder, 'secrets/mail_auth'), 'utf8');
  const answer = await fetch(
    `http://localhost:${fleet.ports.mail}/api/messages?to=${encodeURIComponent(email)}`,
    { headers: { authorization: `Basic ${btoa(auth.trimEnd())}` } },
  );
  const mails = (await answer.json()) as { subject: string; text: string }[];
  const [newest] = mails;
  return newest !== undefined && `${newest.subject}\n${newest.text}`;
}

async function digest(fleet: ContainerFleet, token: string, id: string): Promise<string> {
  const answer = await fleet.call('GET', `/api/files/${id}`, { token });
  return createHash('sha256')
    .update(Buffer.from(await answer.arrayBuffer()))
    .digest('hex');
}

/** After `down` and `up`: the account signs in, its file and its trail are there. */
export async function findFlow(
  fleet: ContainerFleet,
  { check }: Checks,
  data: FlowData,
): Promise<void> {
  const login = await fleet.call('POST', '/api/users/login', {
    json: { email: data.email, password: PASSWORD },
  });
  const { token } = (await login.json()) as { token: string };
  check('after down and up the account signs in', login.status === 200, login.status);
  check('the file is there', (await digest(fleet, token, data.fileId)) === data.sha256);
  const actions = (await fleet.trail(token)).map(({ action }) => action);
  check('the trail is there', actions.join().startsWith(data.events.join()), actions);
}
