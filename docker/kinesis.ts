/**
 * The Kinesis server of docker compose: kinesalite, reachable from other containers.
 * For local use only: it never throttles. KINESIS_CREDENTIALS_FILE has the key pairs that it accepts,
 * one a line: access key id, a space, secret.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { startKinesis } from '@muniment/cluster';

const name = process.env.KINESIS_STREAM ?? 'audit-events';
const shards = Number(process.env.KINESIS_SHARDS ?? 4);
const port = Number(process.env.PORT ?? 4567);

function readCredentials(file = '') {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [accessKeyId, secretAccessKey] = line.split(' ');
    if (!accessKeyId || !secretAccessKey)
      throw new Error(`Write an access key id, a space and a secret on each line of ${file}.`);
    return { accessKeyId, secretAccessKey };
  });
}

const kinesis = await startKinesis({
  path: process.env.KINESIS_DATA ?? '/data',
  streams: [{ name, shards }],
  credentials: readCredentials(process.env.KINESIS_CREDENTIALS_FILE),
});
// The server listens on the loopback only. Here other containers must reach it.
const forwarder = createServer((socket) => {
  const upstream = connect(kinesis.port, '127.0.0.1');
  socket.pipe(upstream).pipe(socket);
  socket.on('error', () => upstream.destroy());
  upstream.on('error', () => socket.destroy());
});
forwarder.listen(port, '0.0.0.0', () =>
  console.log(`the stream ${name} (${shards} shards) is served on port ${port}`),
);

async function stop(): Promise<void> {
  forwarder.close();
  await kinesis.stop();
  process.exit(0);
}
process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
