import { pino, type Logger } from 'pino';
import type { ServerConfig } from './config.ts';

/** Paths where secrets could enter a log line; pino writes `[redacted]` instead. */
const REDACTED = [
  'password',
  'token',
  'refresh_token',
  'authorization',
  'cookie',
  'secret',
  '*.password',
  '*.token',
  '*.refresh_token',
  '*.authorization',
  '*.cookie',
  '*.secret',
  '*.current_password',
  '*.new_password',
  'req.headers.authorization',
  'req.headers.cookie',
  'headers.authorization',
  'headers.cookie',
  // A database error carries the row it failed on.
  'err.detail',
  'err.where',
  'err.parameters',
  'err.cause.detail',
];

/** JSON lines on standard output, each with the service and the replica. */
export function createLogger(config: ServerConfig, service: string): Logger {
  return pino({
    level: config.LOG_LEVEL,
    base: { service, replica: config.REPLICA, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: REDACTED, censor: '[redacted]' },
  });
}
