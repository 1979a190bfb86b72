import { loadConfig } from '../../ingest/config/load.ts';
import { openLog } from '../../ingest/observe/log.ts';
import { type RunningServer, serve } from '../../ingest/serve.ts';
import { TempDir } from './temp-dir.ts';

/** The server in this process, with a folder of its own, any free ports and a log of level debug in memory. */
export interface InProcessServer extends AsyncDisposable {
  readonly server: RunningServer;
  readonly dir: string;
  /** Lines of JSON. */
  readonly log: readonly string[];
  /** `rtmp://127.0.0.1:PORT`, `http://127.0.0.1:PORT`, the same of the metrics listener. */
  readonly rtmp: string;
  readonly http: string;
  readonly metrics: string;
  /** GET of a path of the HTTP listener as JSON. */
  get<T>(path: string): Promise<T>;
}

/** Starts it with these flags. Disposal ends it and removes its folder. */
export async function runServer(...argv: string[]): Promise<InProcessServer> {
  const dir = new TempDir('in-process');
  const listeners = ['--listen', '--srt-listen', '--http-listen', '--metrics-addr'];
  const any = listeners.flatMap((flag) => [flag, '127.0.0.1:0']);
  const store = ['--store', `file://${dir.join('store')}`, '--log-level', 'debug', '--log-format', 'json'];
  const config = await loadConfig({ argv: [...any, ...store, ...argv], env: {}, cwd: dir.path, isTerminal: false });
  const lines: string[] = [];
  const { log } = openLog(config.log, { write: (line) => void lines.push(line), flushSync() {} });
  const server = await serve(config, log, '9.9.9');
  const http = `http://127.0.0.1:${server.ports.http}`;
  return {
    server,
    dir: dir.path,
    log: lines,
    rtmp: `rtmp://127.0.0.1:${server.ports.rtmp}`,
    http,
    metrics: `http://127.0.0.1:${server.ports.metrics}`,
    get: async <T>(path: string) => (await (await fetch(`${http}${path}`)).json()) as T,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}
