/** The upper bound for a request through the gateway: Fastify with an empty handler. */
import Fastify from 'fastify';

const app = Fastify();
app.get('/api/users/me', () => ({ hello: 'world' }));
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
process.send?.('ready');
