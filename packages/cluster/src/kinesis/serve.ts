// The Kinesis server as a process.
// Environment: PORT, DIR (its records), STREAM and SHARDS (created when absent).
import { startKinesis } from './start-kinesis.ts';

const { PORT = '0', DIR, STREAM = 'audit-events', SHARDS = '4' } = process.env;
const server = await startKinesis({
  port: Number(PORT),
  ...(DIR ? { path: DIR } : {}),
  streams: [{ name: STREAM, shards: Number(SHARDS) }],
});
console.log(`Kinesis server for local use only, ready at ${server.endpoint} (stream ${STREAM})`);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void server.stop().then(() => process.exit(0));
  });
}
