import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { normalizeAddress } from './ip-address.ts';

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const address = normalizeAddress(text);
  return isIP(address) === 0 ? undefined : ipaddr.parse(address);
}

const rangeOf = (text: string): Range | undefined => {
  // `ipaddr.isValid` takes 127.1 and octal parts as an old C library does: what two programs may read in two ways is refused.
  if (
    !/^[0-9a-fA-F.:]+(\/\d{1,3})?$/.test(text) ||
    (!text.includes(':') && !/^\d{1,3}(\.\d{1,3}){3}(\/|$)/.test(text)) ||
    /(^|\.)0\d/.test(text)
  )
    return undefined;
  const [address = '', bits] = text.split('/');
  if (!ipaddr.isValid(address)) return undefined;
  const parsed = ipaddr.parse(address);
  const width = parsed.kind() === 'ipv4' ? 32 : 128;
  const length = bits === undefined ? width : Number(bits);
  if (length > width) return undefined;
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress())
    return length < 96 ? undefined : [parsed.toIPv4Address(), length - 96];
  return [parsed, length];
};

/** An address or a range in its one form, `192.0.2.0/24`: bits behind the prefix are zero. Undefined for what is neither. */
export const normalizeRange = (text: string): string | undefined => {
  const range = rangeOf(text);
  if (!range) return undefined;
  const [address, length] = range;
  const network =
    address instanceof ipaddr.IPv4
      ? ipaddr.IPv4.networkAddressFromCIDR(`${address.toString()}/${length}`)
      : ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${length}`);
  return `${network.toString()}/${length}`;
};

/** Whether an address lies in one of the ranges; an empty list takes all. What cannot be read lies in none. */
export const isAddressAllowed = (ranges: readonly string[], text: string): boolean => {
  if (ranges.length === 0) return true;
  const address = parseAddress(text);
  if (!address) return false;
  return ranges.some((range) => {
    const [network, length] = ipaddr.parseCIDR(range);
    return network.kind() === address.kind() && address.match(network, length);
  });
};
