import { flushCompileCache } from 'node:module';
import type { ServerConfig } from './config.ts';
import type { ServiceContext } from '../create-server.ts';

/** What a service is made of. */
export interface ServiceModules<Config extends ServerConfig, DB> {
  readConfig(environment: NodeJS.ProcessEnv): Config;
  buildApp(config: Config): Promise<Pick<ServiceContext<DB>, 'http' | 'health'>>;
}

type Stop = (signal: string) => void;

/**
 * Runs a service: modules → config → app → listen. On SIGTERM or SIGINT readiness turns 503,
 * listening ends, requests are answered, loops release their leases, pools close. After
 * SHUTDOWN_TIMEOUT_MS or an uncaught error, whose state is unknown, it exits with code 1.
 */
export async function startService<Config extends ServerConfig, DB>(
  loadModules: () => Promise<ServiceModules<Config, DB>>,
): Promise<void> {
  // Before the modules, which take a second: process 1 of a container ignores what it does not
  // handle. Until it listens, the replica has promised nothing and holds no lease.
  let stop: Stop = () => process.exit(0);
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stop(signal));
  const { readConfig, buildApp } = await loadModules();
  let config: Config;
  try {
    config = readConfig(process.env);
  } catch (error) {
    console.error(`cannot start: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
  const service = await buildApp(config).catch((error: unknown) => {
    console.error('cannot start:', error);
    process.exit(1);
  });

  const { app, log } = service.http;
  function die(error: unknown): void {
    log.fatal({ err: error }, 'uncaught error');
    process.exit(1);
  }
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  const listening = app.listen({ host: config.HOST, port: config.PORT });
  stop = stopOnce(config, service, { listening, die });
  try {
    await listening;
    // Written now, so a kill does not lose it: stripping types costs 200 ms of CPU and 20 MB.
    flushCompileCache();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`cannot listen on ${config.HOST}:${config.PORT}: ${reason}`);
    process.exit(1);
  }
}

/** Stops the service at the first call; further ones change nothing. */
function stopOnce<DB>(
  config: ServerConfig,
  { http: { app, log }, health }: Pick<ServiceContext<DB>, 'http' | 'health'>,
  { listening, die }: { listening: Promise<unknown>; die(error: unknown): void },
): Stop {
  let stopping = false;
  async function stop(reason: string): Promise<void> {
    log.info({ reason }, 'stopping');
    setTimeout(() => {
      log.fatal('the stop took too long');
      process.exit(1);
    }, config.SHUTDOWN_TIMEOUT_MS).unref();
    await listening;
    health.drain();
    await new Promise((resolve) => setTimeout(resolve, config.SHUTDOWN_DELAY_MS));
    await app.close();
    log.info('stopped');
    process.exit(0);
  }
  return (signal) => {
    if (stopping) return;
    stopping = true;
    stop(signal).catch(die);
  };
}
