/**
 * The Kinesis server of docker compose: kinesalite, reachable from other containers.
 * For local use only: it checks no credentials and never throttles.
 */
import { connect, createServer } from 'node:net';
import { startKinesis } from '@muniment/cluster';

const name = process.env.KINESIS_STREAM ?? 'audit-events';
const shards = Number(process.env.KINESIS_SHARDS ?? 4);
const port = Number(process.env.PORT ?? 4567);

const kinesis = await startKinesis({
  path: process.env.KINESIS_DATA ?? '/data',
  streams: [{ name, shards }],
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
