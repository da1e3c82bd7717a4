import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const MIN_PORT = 15_000;
let ephemeralStart: number | undefined;

/**
 * A random free TCP port on 127.0.0.1, below the kernel's range for outgoing connections.
 * One of those could take the port while a killed server restarts.
 */
export async function freePort(): Promise<number> {
  ephemeralStart ??= readEphemeralStart();
  for (;;) {
    const port = randomInt(MIN_PORT, ephemeralStart);
    if (await canListen(port)) return port;
  }
}

/** Whether this process can listen at this port on 127.0.0.1. */
export async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return true;
  } catch {
    return false;
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

function readEphemeralStart(): number {
  const start = Number(
    readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0],
  );
  return start > MIN_PORT + 1000 ? start : 60_000;
}
