import { isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';

/**
 * What counts as one client: an IPv4 address, or the /64 of an IPv6 address, since a single host may take any address of that (RFC 4291 §2.5.1, RFC 6177).
 * An IPv4 address that is mapped into IPv6 counts as what it is.
 */
export function clientNetwork(ip: string): string {
  if (!isIPv6(ip)) return ip;
  const [bare = ''] = ip.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  if (mapped?.[1]) return mapped[1];
  // The URL parser writes an address in its one canonical form (RFC 5952).
  const canonical = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const hex = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(canonical);
  if (hex) {
    const [high, low] = [Number.parseInt(hex[1] ?? '', 16), Number.parseInt(hex[2] ?? '', 16)];
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  const [head = '', tail] = canonical.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':');
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** Who asks, for what is counted or kept by caller: who has signed in, else the network. */
export function callerOf({ principal, viewer, ip }: FastifyRequest): string {
  return principal
    ? `user:${principal.id}`
    : viewer
      ? `viewer:${viewer.tokenId}`
      : `network:${clientNetwork(ip)}`;
}
