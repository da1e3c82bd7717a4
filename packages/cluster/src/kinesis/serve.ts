// The Kinesis server as a process.
// Environment: PORT, DIR (its records), STREAM and SHARDS (created when absent), ACCESS_KEY_ID and
// SECRET_ACCESS_KEY.
import { startKinesis } from './start-kinesis.ts';

const { PORT = '0', DIR, STREAM = 'audit-events', SHARDS = '4' } = process.env;
const { ACCESS_KEY_ID: accessKeyId, SECRET_ACCESS_KEY: secretAccessKey } = process.env;
if (!accessKeyId || !secretAccessKey) throw new Error('Set ACCESS_KEY_ID and SECRET_ACCESS_KEY.');
const server = await startKinesis({
  port: Number(PORT),
  ...(DIR ? { path: DIR } : {}),
  streams: [{ name: STREAM, shards: Number(SHARDS) }],
  credentials: [{ accessKeyId, secretAccessKey }],
});
console.log(`Kinesis server for local use only, ready at ${server.endpoint} (stream ${STREAM})`);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void server.stop().then(() => process.exit(0));
  });
}
