import ipaddr from 'ipaddr.js';

// IANA, «Internet Protocol Version 6 Address Space». It excludes embedded IPv4 addresses (mapped,
// NAT64), which may be private.
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');
/** Azure's platform services: a public address that is never a customer's. */
const PLATFORM = new Set(['168.63.129.16']);

/**
 * Whether an address is public: not private, loopback, link-local, CGNAT, multicast, reserved or
 * transitional. Invalid text is not public.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address) || PLATFORM.has(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== 'unicast') return false;
  return parsed instanceof ipaddr.IPv4 || parsed.match(GLOBAL_IPV6);
}
