import { startService } from '@muniment/server';
import { buildApp } from './app.ts';
import { readConfig } from './config.ts';

await startService(readConfig, buildApp);
