import { isIPv4 } from 'node:net';

/** An address as one writes it: IPv4 behind `::ffff:` is IPv4. */
export function plainAddress(address: string): string {
  const mapped = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : '';
  return isIPv4(mapped) ? mapped : address;
}

/** Groups of 16 bits that a network gives to one customer, host or phone: 64 bits (RFC 6177, RFC 7934). */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

/**
 * What an address is counted as where there is a limit for each. Of IPv6 that is its /64, out of which one host may have as many addresses as
 * it likes. `address`: as Node gives it.
 */
export function countedAs(address: string): string {
  const plain = plainAddress(address);
  if (!plain.includes(':')) return plain;
  const [head, tail] = plain.split('%', 1)[0]!.split('::', 2);
  const before = groupsOf(head!);
  const after = groupsOf(tail ?? '');
  const zeros = Math.max(0, GROUPS - before.length - after.length);
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after];
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

const groupsOf = (text: string): string[] => (text === '' ? [] : text.split(':'));
