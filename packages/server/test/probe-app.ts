import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { Type } from 'typebox';
import { addRoute } from './add-route.ts';
import {
  createServer,
  loadConfig,
  serverSettings,
  type App,
  type ServerConfig,
  type ServiceContext,
} from '../src/index.ts';

export const readConfig = (environment: NodeJS.ProcessEnv): ServerConfig =>
  loadConfig(Type.Object(serverSettings), environment);

/** Routes for the tests of a stop and of uncaught errors. */
function addRoutes(app: App): void {
  const slow = async () => {
    process.stderr.write('slow begins\n');
    await sleep(1_500);
    return { answered: true };
  };
  addRoute(app, { url: '/slow', handler: slow });
  addRoute(app, {
    url: '/stuck',
    handler: () => {
      process.stderr.write('stuck begins\n');
      return new Promise(() => {});
    },
  });
  addRoute(app, {
    url: '/throw',
    handler: () => {
      setImmediate(() => {
        throw new Error('nobody catches this');
      });
      return {};
    },
  });
  addRoute(app, {
    url: '/reject',
    handler: () => {
      void Promise.reject(new Error('nobody awaits this'));
      return {};
    },
  });
  // Nothing is read or accepted meanwhile.
  addRoute(app, {
    url: '/block',
    handler: () => {
      process.stderr.write('block begins\n');
      for (const ends = performance.now() + 500; performance.now() < ends;);
      return {};
    },
  });
  addRoute(app, {
    url: '/long',
    handler: () =>
      Readable.from(
        (async function* () {
          yield 'begun';
          await sleep(1_000);
          yield 'done';
        })(),
        { objectMode: false },
      ),
  });
  addRoute(app, { method: 'POST', url: '/echo', handler: ({ body }) => ({ body }) });
  addRoute(app, {
    method: 'POST',
    url: '/refused',
    options: {
      onRequest: () => Promise.reject(Object.assign(new Error('no'), { statusCode: 429 })),
    },
    handler: () => ({}),
  });
}

/** A service that says its address, with routes that are slow, stuck, blocking or fatal. */
export async function buildApp(config: ServerConfig): Promise<ServiceContext<unknown>> {
  process.stderr.write('building\n');
  await sleep(Number(process.env.BUILD_MS ?? 0));
  const context = await createServer<unknown>({
    service: 'user',
    schema: 'identity',
    source: 'user',
    config,
    migrations: [],
  });
  context.erasures.handle({ column: 'identity_done', erase: async () => {} });
  const { app } = context.http;
  addRoutes(app);
  const standStill = async (here: string, request: { body: unknown }): Promise<void> => {
    if (process.env.STAND_STILL !== 'on' || (request.body as { point: string }).point !== here)
      return;
    process.stderr.write('stands still\n');
    await new Promise(() => {});
  };
  // Inside of its transaction, or between its COMMIT and its answer: where a process is killed.
  addRoute(app, {
    method: 'POST',
    url: '/killed',
    options: {
      onSend: (request, _reply, payload) => standStill('behind', request).then(() => payload),
    },
    handler: (request) =>
      context.data.inTransaction(request, async (trx, record) => {
        const holder = randomUUID();
        await sql`insert into identity.leases (name, holder, epoch, expires_at) values (${`killed-${holder}`}, ${holder}, 1, now())`.execute(
          trx,
        );
        await record({ action: 'PROFILE_UPDATE', subject: { address: 'somebody' } });
        await standStill('before', request);
        return { holder };
      }),
  });
  app.addHook('onListen', async () => {
    process.stderr.write(`url=${app.listeningOrigin}\n`);
  });
  context.jobs.add({
    name: 'probe',
    start: () => {},
    stop: async () => {
      process.stderr.write('loop stopped\n');
    },
  });
  return context;
}
