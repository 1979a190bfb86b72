/** Groups of 16 bits that a network gives to one customer, host or phone: 64 bits (RFC 6177, RFC 7934). */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

/**
 * What an address is counted as where there is a limit for each. Of IPv6 that is its /64, out of which one host may have as many addresses as
 * it likes. `::ffff:192.0.2.1` is how a socket of both families shows 192.0.2.1. `address`: as Node gives it.
 */
export function countedAs(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  if (mapped) return mapped[1]!;
  const [head, tail] = address.split('%', 1)[0]!.split('::', 2);
  const before = groupsOf(head!);
  const after = groupsOf(tail ?? '');
  const zeros = Math.max(0, GROUPS - before.length - after.length);
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after];
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

const groupsOf = (text: string): string[] => (text === '' ? [] : text.split(':'));
