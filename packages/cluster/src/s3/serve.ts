// The S3 server as a process.
// Environment: PORT, DIR, BUCKETS (comma list), S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY.
import { startS3 } from './start-s3.ts';

function readRequired(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`Set ${name}.`);
  return value;
}

const port = Number(process.env['PORT'] ?? 0);
if (!Number.isInteger(port) || port < 0 || port > 65535)
  throw new Error('Set PORT to a port number from 0 to 65535.');
const dir = readRequired('DIR');
const buckets = (process.env['BUCKETS'] ?? '')
  .split(',')
  .map((name) => name.trim())
  .filter((name) => name !== '');
const server = await startS3({
  port,
  dir,
  buckets,
  accessKeyId: readRequired('S3_ACCESS_KEY_ID'),
  secretAccessKey: readRequired('S3_SECRET_ACCESS_KEY'),
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void server.stop().then(() => process.exit(0));
  });
}

// Last: a caller that waits for this line may send a signal at once.
console.log(
  `S3 server for local use only, ready at ${server.endpoint} ` +
    `(objects in ${dir}, buckets: ${buckets.join(', ') || 'none'})`,
);
