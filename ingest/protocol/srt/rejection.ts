import { ProtocolError, type ProtocolFault } from '../protocol-error.ts';

/**
 * Why a connection is refused: the value in the handshake type of the answer, 1000 + the reason that libsrt reports
 * (`srt_getrejectreason`). Below 2000 what the protocol itself found, above what a server decides (libsrt's `SRT_REJX_*`).
 */
export const REJECTION = {
  unknown: 1000,
  system: 1001,
  peer: 1002,
  resource: 1003,
  rogue: 1004,
  backlog: 1005,
  internal: 1006,
  close: 1007,
  version: 1008,
  rendezvousCookie: 1009,
  badSecret: 1010,
  unsecure: 1011,
  messageApi: 1012,
  congestion: 1013,
  filter: 1014,
  group: 1015,
  timeout: 1016,
  crypto: 1017,
  badRequest: 2400,
  unauthorized: 2401,
  overload: 2402,
  forbidden: 2403,
  notFound: 2404,
  badMode: 2405,
  unacceptable: 2406,
  conflict: 2409,
  notSupportedMedia: 2415,
  locked: 2423,
  serverError: 2500,
  unimplemented: 2501,
  down: 2503,
  noRoom: 2507,
} as const;

export type Rejection = keyof typeof REJECTION;

/** Handshake types from here on are rejections. */
export const FIRST_REJECTION = REJECTION.unknown;

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(REJECTION).map(([name, code]) => [code, name]));

/** Name of a code that came from a peer, for logs: `badSecret`, or `2999` where it has none. */
export function rejectionName(code: number): string {
  return NAMES.get(code) ?? String(code);
}

/** What is wrong with a peer's handshake, and what it is told. */
export class RefusedHandshake extends ProtocolError {
  readonly rejection: Rejection;

  constructor(code: ProtocolFault, rejection: Rejection, detail: string, options?: ErrorOptions) {
    super(code, detail, options);
    this.rejection = rejection;
  }
}
