/** The limit: Fastify that answers with constants and stores nothing. */
import { randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import { fixedBytes } from './fixed-bytes.ts';

const FILES: Record<string, Buffer> = {
  '64k': fixedBytes(64 * 1024),
  '16m': fixedBytes(16 * 1024 * 1024),
};
const createdAt = new Date().toISOString();
const user = { id: randomUUID(), email: 'bench-0@example.com', name: 'Bench', createdAt };
const files = Array.from({ length: 50 }, (_, n) => ({
  id: randomUUID(),
  name: `bench-${n}.bin`,
  size: 1024,
  type: 'application/octet-stream',
  owner: user.id,
  createdAt,
}));
const logs = Array.from({ length: 50 }, (_, n) => ({
  id: randomUUID(),
  actor: user.id,
  action: 'user.update',
  target: user.id,
  at: createdAt,
  n,
}));

const app = Fastify({ logger: false, bodyLimit: 64 * 1024 * 1024 });
// Counts the bytes of an upload and drops them.
app.addContentTypeParser('*', (_request, payload, done) => {
  let length = 0;
  payload
    .on('data', (chunk: Buffer) => {
      length += chunk.length;
    })
    .on('end', () => done(null, length))
    .on('error', done);
});
app.get('/health', async () => ({ ok: true }));
app.post('/api/users/login', async () => ({ user, token: 'none' }));
app.get('/api/users/me', async () => user);
app.patch<{ Body: { name: string } }>('/api/users/me', async ({ body }) => ({
  ...user,
  name: body.name,
}));
app.post('/api/files', async ({ body }) => ({ id: randomUUID(), size: body }));
app.get('/api/files', async () => files);
app.get<{ Params: { id: string } }>('/api/files/:id', async ({ params }, reply) =>
  reply.type('application/octet-stream').send(FILES[params.id]),
);
app.get('/api/audit/logs', async () => logs);
await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) });
process.on('SIGTERM', () => void app.close());
