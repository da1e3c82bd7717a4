/** The limit for a request through the gateway: Fastify that does nothing, behind the same Nginx configuration, on as many replicas. */
import Fastify from 'fastify';

const app = Fastify();
app.get('/api/users/me', () => ({ hello: 'world' }));
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
process.send?.('ready');
