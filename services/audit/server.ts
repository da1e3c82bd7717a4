import { startService } from '@muniment/server/start-service';

await startService(async () => {
  const { readConfig } = await import('./config.ts');
  const { buildApp } = await import('./app.ts');
  return { readConfig, buildApp };
});
