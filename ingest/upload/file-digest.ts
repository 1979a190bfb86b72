import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { Fault } from '../runtime/fault.ts';

const READ_BYTES = 256 * 1024;

/** Opens a segment in the spool. @throws Fault ERR_UPLOAD_SOURCE */
export async function openSource(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (error) {
    throw sourceFault(error);
  }
}

/** What went wrong with reading a local file, the system's error as its cause. */
export function sourceFault(error: unknown): Fault {
  return new Fault('ERR_UPLOAD_SOURCE', error instanceof Error ? error.message : String(error), { cause: error });
}

/** Reads an open file piece by piece from its start. `buffer` is used again for each piece. @throws Fault ERR_UPLOAD_SOURCE */
export async function* pieces(handle: FileHandle, buffer: Buffer, signal?: AbortSignal): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    signal?.throwIfAborted();
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, at).catch((error) => {
        throw sourceFault(error);
      });
      if (bytesRead === 0) break;
      filled += bytesRead;
      at += bytesRead;
    }
    if (filled > 0) yield buffer.subarray(0, filled);
    if (filled < buffer.length) return;
  }
}

/** The checksum an S3 store gives an object sent in parts of `partBytes`. @throws Fault ERR_UPLOAD_SOURCE */
export async function digestParts(file: string, partBytes: number, signal?: AbortSignal): Promise<string> {
  await using handle = await openSource(file);
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, partBytes));
  const whole = createHash('sha256');
  let part = createHash('sha256');
  let room = partBytes;
  let count = 0;
  for await (const piece of pieces(handle, buffer, signal)) {
    for (let rest = piece; rest.length > 0; ) {
      const taken = rest.subarray(0, room);
      part.update(taken);
      room -= taken.length;
      rest = rest.subarray(taken.length);
      if (room > 0) continue;
      whole.update(part.digest());
      part = createHash('sha256');
      room = partBytes;
      count += 1;
    }
  }
  if (room < partBytes) {
    whole.update(part.digest());
    count += 1;
  }
  return `${whole.digest('base64')}-${count}`;
}
