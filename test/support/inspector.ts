import { freePort } from './ports.ts';

/** Runs a process's garbage collector from outside, so that what is measured afterwards is what is really held. */
export interface Inspector {
  /** Flags for node. */
  readonly nodeArgs: readonly string[];
  /** Full collections, until the memory has been given back. @throws Error when the process does not answer. */
  collectGarbage(): Promise<void>;
}

/** A loopback port for node's inspector. */
export async function inspector(): Promise<Inspector> {
  const port = await freePort();
  return {
    nodeArgs: [`--inspect=127.0.0.1:${port}`],
    collectGarbage: async () => {
      const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
        webSocketDebuggerUrl: string;
      }[];
      const socket = new WebSocket(targets[0]!.webSocketDebuggerUrl);
      try {
        await event(socket, 'open');
        // The first one runs finalizers, whose memory the second one frees.
        for (const id of [1, 2, 3]) {
          const answered = event(socket, 'message');
          socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }));
          await answered;
        }
      } finally {
        socket.close();
      }
    },
  };
}

function event(socket: WebSocket, name: 'open' | 'message'): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.addEventListener(name, () => resolve(), { once: true });
  socket.addEventListener('error', () => reject(new Error('the inspector does not answer')), { once: true });
  return promise;
}
