import ipaddr from 'ipaddr.js';

// IANA, «Internet Protocol Version 6 Address Space»: all that is assigned to the public internet. It leaves out what embeds an IPv4 address
// (mapped, compatible, NAT64), which may lead to a private one.
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');
/** Azure's own services at every virtual machine: an address of the public range that is never a customer's. */
const PLATFORM = new Set(['168.63.129.16']);

/**
 * Whether an address is one of the public internet: not private, loopback, link-local (with the cloud's metadata), shared (CGNAT), unique-local,
 * multicast, unspecified, reserved, nor one that stands for another by a transition mechanism. What is no address is not public.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address) || PLATFORM.has(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== 'unicast') return false;
  return parsed instanceof ipaddr.IPv4 || parsed.match(GLOBAL_IPV6);
}
