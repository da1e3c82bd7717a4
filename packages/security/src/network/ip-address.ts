import { isIP, isIPv6 } from 'node:net';

/** How a URL writes the IPv4-mapped address of 192.0.2.7. */
const MAPPED_IPV4 = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;
/** One host may use any address of its /64 (RFC 4291 §2.5.1, RFC 6177). */
const NETWORK_GROUPS = 4;
const IPV6_GROUPS = 8;

/**
 * The normal form of an IP address: RFC 5952 without a zone, mapped IPv4 as IPv4.
 * Stored search terms are its hashes, so it must never change.
 */
export function normalizeAddress(text: string): string {
  const [address = ''] = text.trim().toLowerCase().split('%', 1);
  if (isIP(address) !== 6) return address;
  // The URL parser serialises IPv6 as RFC 5952 does.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const mapped = MAPPED_IPV4.exec(canonical);
  if (!mapped) return canonical;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** All eight groups of an IPv6 address in normal form. */
function groupsOf(address: string): string[] {
  const [head = [], tail = []] = address
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':')));
  const zeros = Array.from({ length: IPV6_GROUPS - head.length - tail.length }, () => '0');
  return [...head, ...zeros, ...tail];
}

/** The network that counts as one client: an IPv4 address, or an IPv6 /64. */
export function clientNetwork(ip: string): string {
  if (!isIPv6(ip)) return ip;
  const address = normalizeAddress(ip);
  return address.includes(':')
    ? `${groupsOf(address).slice(0, NETWORK_GROUPS).join(':')}::/64`
    : address;
}
