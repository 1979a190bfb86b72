import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

/** Runs in a thread of its own: a path comes in, the file's SHA-256 (hex) or a system error goes out. */
const READ_BYTES = 1024 * 1024;
const buffer = Buffer.allocUnsafeSlow(READ_BYTES);

parentPort?.on('message', ({ id, path }: { readonly id: number; readonly path: string }) => {
  try {
    const hash = createHash('sha256');
    const file = openSync(path, 'r');
    try {
      for (;;) {
        const bytes = readSync(file, buffer, 0, READ_BYTES, null);
        if (bytes === 0) break;
        hash.update(buffer.subarray(0, bytes));
      }
    } finally {
      closeSync(file);
    }
    parentPort?.postMessage({ id, sha256: hash.digest('hex') });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    parentPort?.postMessage({ id, code, message });
  }
});
