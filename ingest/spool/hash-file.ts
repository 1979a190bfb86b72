import { Worker } from 'node:worker_threads';

interface Waiting {
  resolve(sha256: string): void;
  reject(error: Error): void;
}

interface Answer {
  readonly id: number;
  readonly sha256?: string;
  readonly code?: string;
  readonly message?: string;
}

const waiting = new Map<number, Waiting>();
let worker: Worker | undefined;
let lastId = 0;

/** SHA-256 (hex) of a file of any size, read and summed in a thread of its own: the event loop only waits. @throws the disk's errors */
export function hashFile(path: string): Promise<string> {
  worker ??= start();
  lastId += 1;
  const id = lastId;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker?.ref();
    worker?.postMessage({ id, path });
  });
}

function start(): Worker {
  const thread = new Worker(new URL('./hash-worker.ts', import.meta.url));
  thread.on('message', ({ id, sha256, code, message }: Answer) => {
    const asker = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) thread.unref();
    if (sha256 !== undefined) asker?.resolve(sha256);
    else asker?.reject(Object.assign(new Error(message), { code }));
  });
  thread.on('error', (error) => {
    worker = undefined;
    for (const asker of waiting.values()) asker.reject(error as Error);
    waiting.clear();
  });
  thread.unref();
  return thread;
}
