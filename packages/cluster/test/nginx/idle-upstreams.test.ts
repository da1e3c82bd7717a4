import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'tap';
import { timeBound } from '@muniment/testing';
import { gateway, upstream } from './gateway.ts';

/** A stopping replica waits 750 ms for the gateway to close what is idle. */
const CLOSED_WITHIN_MS = 700;

test('the gateway closes idle connections to each service before a stopping one would', async (t) => {
  const [user, file, audit] = [
    await upstream(t, 'user'),
    await upstream(t, 'file'),
    await upstream(t, 'audit'),
  ];
  const { http } = await gateway(t, { user: [user.port], file: [file.port], audit: [audit.port] });
  for (const [{ server }, path] of [
    [user, '/api/users/me'],
    [file, '/api/files'],
    [audit, '/api/audit/logs'],
  ] as const) {
    server.keepAliveTimeout = 60_000; // else it would close them itself
    const connected = once(server, 'connection');
    t.equal((await fetch(http + path)).status, 200, path);
    const answeredAt = performance.now();
    const [socket] = (await connected) as [Socket];
    await once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
    const idleMs = performance.now() - answeredAt;
    t.ok(idleMs < timeBound(CLOSED_WITHIN_MS), `${path}: after ${Math.round(idleMs)} ms`);
  }
});
