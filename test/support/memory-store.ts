import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Fault } from '../../ingest/runtime/fault.ts';
import type {
  ListedObject,
  ObjectStore,
  SegmentSource,
  StoredSegment,
  StoreFaultCode,
  VersionedBytes,
} from '../../ingest/upload/object-store.ts';

/** An operation of the store, for choosing what fails. */
export interface StoreCall {
  readonly operation: 'put' | 'find' | 'read' | 'swap' | 'list' | 'below' | 'remove';
  readonly key: string;
}

/** A store in memory that fails as a test wants: for faults a real one can't be made to show at the right moment. */
export class MemoryStore implements ObjectStore {
  readonly url = 'memory://';
  readonly objects = new Map<string, Buffer>();
  /** Calls that were let through, in order. */
  readonly calls: StoreCall[] = [];
  /** Thrown instead of doing the call. */
  fault: (call: StoreCall) => StoreFaultCode | undefined = () => undefined;
  /** Thrown after doing the call: its answer is lost. */
  lostAnswer: (call: StoreCall) => StoreFaultCode | undefined = () => undefined;
  /** Waited for before the call. */
  before: (call: StoreCall, signal: AbortSignal) => Promise<void> = async () => {};
  /** Puts at once, now and at most. */
  puts = { now: 0, most: 0 };

  /** Keys of segments, in the order they were stored. */
  get segments(): string[] {
    return [...this.objects.keys()].filter((key) => /\.(mp4|flv)$/.test(key));
  }

  json(key: string): unknown {
    return JSON.parse(this.objects.get(key)!.toString());
  }

  async #call<T>(call: StoreCall, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.before(call, signal);
    signal.throwIfAborted();
    const code = this.fault(call);
    if (code) throw new Fault(code, `${call.operation} ${call.key}`);
    this.calls.push(call);
    const result = await work();
    const lost = this.lostAnswer(call);
    if (lost) throw new Fault(lost, `answer of ${call.operation} ${call.key}`);
    return result;
  }

  async putSegment(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment> {
    this.puts.now += 1;
    this.puts.most = Math.max(this.puts.most, this.puts.now);
    try {
      return await this.#call({ operation: 'put', key }, signal, async () => {
        const bytes = await readFile(source.file).catch((error) => {
          throw new Fault('ERR_UPLOAD_SOURCE', String(error), { cause: error });
        });
        if (hash(bytes) !== source.sha256) throw new Fault('ERR_STORE_CHECKSUM', key);
        const present = this.objects.get(key);
        if (present && hash(present) !== source.sha256) throw new Fault('ERR_STORE_CONFLICT', key);
        this.objects.set(key, present ?? bytes);
        return { wasPresent: present !== undefined };
      });
    } finally {
      this.puts.now -= 1;
    }
  }

  findSegment(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment | undefined> {
    return this.#call({ operation: 'find', key }, signal, async () => {
      const present = this.objects.get(key);
      return present && hash(present) === source.sha256 ? { wasPresent: true } : undefined;
    });
  }

  read(key: string, signal: AbortSignal): Promise<VersionedBytes | undefined> {
    return this.#call({ operation: 'read', key }, signal, async () => {
      const bytes = this.objects.get(key);
      return bytes && { bytes, version: hash(bytes) };
    });
  }

  swap(key: string, bytes: Buffer, _type: string, expected: string | undefined, signal: AbortSignal): Promise<string> {
    return this.#call({ operation: 'swap', key }, signal, async () => {
      const present = this.objects.get(key);
      if ((present && hash(present)) !== expected) throw new Fault('ERR_STORE_CHANGED', key);
      this.objects.set(key, bytes);
      return hash(bytes);
    });
  }

  list(folder: string, signal: AbortSignal): Promise<readonly ListedObject[]> {
    return this.#call({ operation: 'list', key: folder }, signal, async () => {
      const found = [...this.objects].filter(([key]) => key.startsWith(folder));
      const names = new Map<string, number | undefined>();
      for (const [key, bytes] of found) {
        const [name = '', ...below] = key.slice(folder.length).split('/');
        names.set(name, below.length > 0 ? undefined : bytes.length);
      }
      return [...names].map(([name, bytes]) => ({ name, bytes }));
    });
  }

  async *keysBelow(folder: string, signal: AbortSignal): AsyncIterable<readonly string[]> {
    yield await this.#call({ operation: 'below', key: folder }, signal, async () =>
      [...this.objects.keys()].filter((key) => key.startsWith(folder)),
    );
  }

  async remove(keys: readonly string[], signal: AbortSignal): Promise<void> {
    for (const key of keys) {
      await this.#call({ operation: 'remove', key }, signal, async () => void this.objects.delete(key));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
