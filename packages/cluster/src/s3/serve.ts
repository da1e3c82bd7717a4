// The S3 server as a process of its own: PORT, DIR, BUCKETS (comma list), S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY.
import { startS3 } from './start-s3.ts';

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} must be set`);
  return value;
}

const port = Number(process.env['PORT'] ?? 0);
if (!Number.isInteger(port) || port < 0 || port > 65535)
  throw new Error('PORT must be a port number');
const dir = required('DIR');
const buckets = (process.env['BUCKETS'] ?? '')
  .split(',')
  .map((name) => name.trim())
  .filter((name) => name !== '');
const server = await startS3({
  port,
  dir,
  buckets,
  accessKeyId: required('S3_ACCESS_KEY_ID'),
  secretAccessKey: required('S3_SECRET_ACCESS_KEY'),
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void server.stop().then(() => process.exit(0));
  });
}

// Last: whoever waits for this line may send a signal at once.
console.log(
  `S3 server for local use only, ready at ${server.endpoint} (objects in ${dir}, buckets: ${buckets.join(', ') || 'none'})`,
);
