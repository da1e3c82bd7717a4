import { flushCompileCache } from 'node:module';
import type { ServerConfig } from './config.ts';
import type { ServiceContext } from '../create-server.ts';

/**
 * Runs a service until it is told to stop: config → app → listen. On SIGTERM or SIGINT, in this order: readiness turns 503, listening ends,
 * requests in flight are answered, loops hand their leases over, pools close. A process that has not managed by
 * SHUTDOWN_TIMEOUT_MS ends with exit code 1; so does one with an error that nobody caught, since its state is unknown.
 */
export async function startService<Config extends ServerConfig, DB>(
  readConfig: (environment: NodeJS.ProcessEnv) => Config,
  buildApp: (config: Config) => Promise<Pick<ServiceContext<DB>, 'http' | 'health'>>,
): Promise<void> {
  let config: Config;
  try {
    config = readConfig(process.env);
  } catch (error) {
    console.error(`cannot start: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
  const { http, health } = await buildApp(config).catch((error: unknown) => {
    console.error('cannot start:', error);
    process.exit(1);
  });

  const { app, log } = http;
  let stopping = false;
  async function stop(reason: string): Promise<void> {
    if (stopping) return;
    stopping = true;
    log.info({ reason }, 'stopping');
    setTimeout(() => {
      log.fatal('the stop took too long');
      process.exit(1);
    }, config.SHUTDOWN_TIMEOUT_MS).unref();
    health.drain();
    await new Promise((resolve) => setTimeout(resolve, config.SHUTDOWN_DELAY_MS));
    await app.close();
    log.info('stopped');
    process.exit(0);
  }
  function die(error: unknown): void {
    log.fatal({ err: error }, 'uncaught error');
    process.exit(1);
  }
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  process.on('SIGTERM', (signal) => void stop(signal).catch(die));
  process.on('SIGINT', (signal) => void stop(signal).catch(die));

  try {
    await app.listen({ host: config.HOST, port: config.PORT });
    // Written now and not at the exit, so that it is there for the next start even after a kill: stripping types costs 200 ms of CPU and 20 MB.
    flushCompileCache();
  } catch (error) {
    console.error(
      `cannot listen on ${config.HOST}:${config.PORT}: ${error instanceof Error ? error.message : String(error)}`,
    );
    process.exit(1);
  }
}
