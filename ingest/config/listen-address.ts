import { ValueProblem } from './units.ts';

/** Where a listener opens. `host` undefined means every address of the machine, IPv6 and IPv4. Fits `server.listen(…)`. */
export interface ListenAddress {
  readonly host: string | undefined;
  /** 0: any free port. */
  readonly port: number;
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]]*)):(\d{1,5})$/;
const MAX_PORT = 65_535;

/**
 * `:1935`, `localhost:1935`, `[::1]:1935`, `1935`.
 * @throws ValueProblem where it is no listen address
 */
export function parseListenAddress(text: string): ListenAddress {
  const [, bracketed, plain, digits] = ADDRESS.exec(/^\d+$/.test(text) ? `:${text}` : text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > MAX_PORT) {
    throw new ValueProblem('is no listen address (examples: :1935, localhost:1935, [::1]:1935)');
  }
  const host = bracketed ?? plain ?? '';
  return { host: host === '' || host === '*' ? undefined : host, port };
}

/** The form `parseListenAddress` reads. */
export function formatListenAddress(address: ListenAddress): string {
  const host = address.host ?? '';
  return `${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

/** Whether only programs on the same machine can reach it. */
export function isLoopback(address: ListenAddress): boolean {
  const host = address.host?.toLowerCase();
  return host === 'localhost' || host === '::1' || (host !== undefined && /^127\.\d+\.\d+\.\d+$/.test(host));
}

/** Whether both cannot be open at the same time. Port 0 never clashes. */
export function listenersClash(a: ListenAddress, b: ListenAddress): boolean {
  const everywhere = (host: string | undefined): boolean => host === undefined || host === '::' || host === '0.0.0.0';
  return a.port !== 0 && a.port === b.port && (a.host === b.host || everywhere(a.host) || everywhere(b.host));
}
