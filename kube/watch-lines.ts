import { KubeError } from './kube-error.ts';

/** An object of 1.5 MiB, the most that etcd takes, twice over as JSON with escapes. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;

/** One line of a watch (API concepts, "Efficient detection of changes"). */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

/** Cuts the body of a watch into its events, however the bytes were split on their way. A last line without its end was cut off, and is left out. */
export class WatchLines {
  #pieces: Buffer[] = [];
  #length = 0;

  /** Events that `bytes` completes. @throws KubeError ERR_KUBE_MALFORMED on a line that is no event or too long */
  push(bytes: Buffer): WatchEvent[] {
    const events: WatchEvent[] = [];
    let from = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, from)) {
      const rest = bytes.subarray(from, end);
      const line = this.#length === 0 ? rest : Buffer.concat([...this.#pieces, rest]);
      this.#pieces = [];
      this.#length = 0;
      from = end + 1;
      if (line.length > 0) events.push(parseEvent(line.toString()));
    }
    this.#keep(bytes.subarray(from));
    return events;
  }

  #keep(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#pieces.push(rest);
    this.#length += rest.length;
    if (this.#length > MAX_LINE_BYTES) throw new KubeError('ERR_KUBE_MALFORMED', 'an endless line in a watch');
  }
}

function parseEvent(line: string): WatchEvent {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw new KubeError('ERR_KUBE_MALFORMED', 'a line of a watch is no JSON', { cause: error });
  }
  if (typeof event !== 'object' || event === null || !('type' in event) || !('object' in event)) {
    throw new KubeError('ERR_KUBE_MALFORMED', 'a line of a watch is no event');
  }
  return event as WatchEvent;
}
