import type { Socket } from 'node:net';

/** What one read takes at most; libuv reads no more at once. A read as long as this has probably left something behind. */
export const READ_BYTES = 65_536;

/** Every read is used up within its callback, so one buffer serves all sockets of the process. */
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

/** The socket's own names for what the `onread` option of `net.connect` sets. */
const FIELDS = ['kBuffer', 'kBufferCb', 'kBufferGen'] as const;

interface ReadHandle {
  useUserBuffer?(buffer: Buffer): void;
}

/**
 * Gives `onBytes` what a connected socket reads; the bytes are only good until it returns. Where it returns false, nothing more is read
 * until the socket is resumed. Returns whether they come through the shared buffer.
 *
 * Node offers that (`onread`) for sockets that connect, not for those a server accepts, where it allocates 64 KiB for each read of
 * a few hundred bytes and then collects them: a third of what a publisher costs. So what `onread` does is done to the accepted
 * socket. Where Node has changed inside, and for TLS, `data` events do the same at their price.
 */
export function readShared(socket: Socket, onBytes: (bytes: Buffer) => boolean): boolean {
  const fields = FIELDS.map((name) => Object.getOwnPropertySymbols(socket).find((key) => key.description === name));
  const [bufferKey, callbackKey, generatorKey] = fields;
  const inner = socket as unknown as Record<symbol, unknown> & { readonly _handle?: ReadHandle | null };
  const handle = inner._handle;
  const isKnown = bufferKey && callbackKey && generatorKey && inner[bufferKey] === null && inner[generatorKey] === null;
  if (!isKnown || 'encrypted' in socket || typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', (bytes) => {
      if (!onBytes(bytes)) socket.pause();
    });
    return false;
  }
  inner[bufferKey] = shared;
  inner[callbackKey] = (length: number) => onBytes(shared.subarray(0, length));
  handle.useUserBuffer(shared);
  socket.resume();
  return true;
}
