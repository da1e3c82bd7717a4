import { startService } from '../src/lifecycle/start-service.ts';

/** Runs the probe in a process of its own, for the tests of starting, stopping and being killed. */
await startService(async () => {
  process.stderr.write('loading\n');
  return import('./probe-app.ts');
});
