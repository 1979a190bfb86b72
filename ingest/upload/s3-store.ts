import { createHash } from 'node:crypto';
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import type { Bytes } from '../config/defaults.ts';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';
import { BufferPool } from '../spool/buffer-pool.ts';
import { digestParts } from './file-digest.ts';
import {
  type ListedObject,
  MAX_SMALL_OBJECT,
  type ObjectStore,
  type SegmentSource,
  type StoredSegment,
  type VersionedBytes,
} from './object-store.ts';
import { ConditionalWrites } from './s3-conditional-writes.ts';
import { S3Connection, type S3Place, type S3Settings } from './s3-connection.ts';
import { isAbsent } from './s3-fault.ts';
import { PART_BYTES_KEY, putParts } from './s3-multipart.ts';
import { putWhole } from './s3-put.ts';
import { removeObjects } from './s3-remove.ts';

/** Where and how an S3 store is used. */
export interface S3StoreOptions extends S3Place {
  readonly settings: S3Settings;
  readonly multipartAbove: Bytes;
  readonly partSize: Bytes;
  /** Segments sent at once. */
  readonly concurrency: number;
  readonly log: Log;
}

/** Most answers of 1,000 names each that are read of one folder. */
const MAX_LIST_ANSWERS = 1000;
/** Bytes of a part that an object's metadata is believed to state, as S3 has it. */
const MIN_PART = 5 * 1024 * 1024;
const MAX_PART = 5 * 1024 * 1024 * 1024;

/** Segments of about one size share buffers. */
const BUFFER_STEP = 1024 * 1024;

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Fault && error.code === code;
}

/** An S3-compatible store. Each object carries its SHA-256, which the store checks and confirms; retries are the caller's. */
export class S3Store implements ObjectStore {
  readonly url: string;
  readonly #options: S3StoreOptions;
  readonly #connection: S3Connection;
  readonly #conditions: ConditionalWrites;
  readonly #buffers: BufferPool;

  constructor(options: S3StoreOptions) {
    this.#options = options;
    // As many sockets again for manifests and for requests that are being given up.
    this.#connection = new S3Connection(options, options.settings, options.concurrency * 2);
    this.#conditions = new ConditionalWrites(options.settings.conditionalWrites, options.log);
    this.#buffers = new BufferPool(options.concurrency, BUFFER_STEP);
    this.url = `s3://${options.bucket}/${options.prefix}`;
  }

  async putSegment(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment> {
    if (!this.#conditions.isProven || source.bytes > this.#options.multipartAbove) {
      const present = await this.#presentBefore(key, source, signal);
      if (present) return present;
    }
    try {
      return await this.#conditional(() => this.#put(key, source, signal));
    } catch (error) {
      if (!hasCode(error, 'ERR_STORE_CHANGED')) throw error;
      this.#conditions.prove();
      const state = await this.#compare(key, source, signal);
      if (typeof state !== 'string') return state;
      if (state === 'other') throw conflict(key);
      throw new Fault('ERR_STORE_UNAVAILABLE', `${key} was refused because it exists, but it does not`);
    }
  }

  async #put(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment> {
    const condition = this.#conditions.of(undefined);
    if (source.bytes > this.#options.multipartAbove) {
      const parts = await putParts(this.#connection, key, source, this.#options.partSize, condition, signal);
      return parts ? { wasPresent: false, parts } : this.#confirm(key, source, signal);
    }
    const confirmed = await putWhole(this.#connection, key, source, condition, this.#buffers, signal);
    return confirmed === undefined ? this.#confirm(key, source, signal) : { wasPresent: false };
  }

  /** The store has not said what it got: it is asked, or read back. @throws Fault ERR_STORE_CHECKSUM */
  async #confirm(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment> {
    const state = await this.#compare(key, source, signal);
    if (typeof state !== 'string') return { ...state, wasPresent: false };
    throw new Fault('ERR_STORE_CHECKSUM', `the store does not hold what was sent to it as ${key}`);
  }

  /** Runs a conditional write; without the condition where the store does not know it. */
  async #conditional<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (!hasCode(error, 'ERR_STORE_UNSUPPORTED') || !this.#conditions.isUnknown) throw error;
      this.#conditions.deny('refuses');
      return await write();
    }
  }

  /** The look before a write whose condition may have no effect, or would be told at its end only. Without the right to look, the condition has to do. */
  async #presentBefore(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment | undefined> {
    const state = await this.#compare(key, source, signal).catch((error) => {
      if (hasCode(error, 'ERR_STORE_ACCESS')) return 'absent' as const;
      throw error;
    });
    if (state === 'other') throw conflict(key);
    return state === 'absent' ? undefined : state;
  }

  async findSegment(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment | undefined> {
    const state = await this.#compare(key, source, signal);
    return typeof state === 'string' ? undefined : state;
  }

  async #compare(key: string, source: SegmentSource, signal: AbortSignal): Promise<StoredSegment | 'other' | 'absent'> {
    const head = await this.#connection.send(signal, 0, (client, options) =>
      client
        .send(new HeadObjectCommand({ ...this.#connection.at(key), ChecksumMode: 'ENABLED' }), options)
        .catch(absentAsUndefined),
    );
    if (!head) return 'absent';
    if (head.ContentLength !== source.bytes) return 'other';
    const checksum = head.ChecksumSHA256;
    if (checksum === undefined) {
      // A store that keeps no checksums, or an object someone else put: only its bytes can tell.
      return (await this.#digest(key, source.bytes, signal)) === source.sha256 ? { wasPresent: true } : 'other';
    }
    if (!checksum.includes('-')) return checksum === base64(source.sha256) ? { wasPresent: true } : 'other';
    const partBytes = Number(head.Metadata?.[PART_BYTES_KEY] ?? this.#options.partSize);
    if (!(partBytes >= MIN_PART && partBytes <= MAX_PART)) return 'other';
    if ((await digestParts(source.file, partBytes, signal)) !== checksum) return 'other';
    return { wasPresent: true, parts: { partBytes, sha256: checksum } };
  }

  /** SHA-256 (hex) of an object, read back. */
  #digest(key: string, bytes: number, signal: AbortSignal): Promise<string> {
    return this.#connection.send(signal, bytes, async (client, options) => {
      const { Body } = await client.send(new GetObjectCommand(this.#connection.at(key)), options);
      const hash = createHash('sha256');
      for await (const piece of Body as AsyncIterable<Buffer>) hash.update(piece);
      return hash.digest('hex');
    });
  }

  read(key: string, signal: AbortSignal): Promise<VersionedBytes | undefined> {
    return this.#connection.send(signal, MAX_SMALL_OBJECT, async (client, options) => {
      const answer = await client
        .send(new GetObjectCommand(this.#connection.at(key)), options)
        .catch(absentAsUndefined);
      if (!answer) return undefined;
      const length = answer.ContentLength ?? 0;
      if (length > MAX_SMALL_OBJECT) {
        (answer.Body as NodeJS.ReadableStream & { destroy(): void }).destroy();
        throw new Fault('ERR_STORE_REFUSED', `${key} has ${length} bytes, more than ${MAX_SMALL_OBJECT}`);
      }
      const bytes = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
      if (bytes.length !== length) throw new Fault('ERR_STORE_UNAVAILABLE', `${key} was cut off`);
      return { bytes, version: answer.ETag ?? '' };
    });
  }

  async swap(
    key: string,
    bytes: Buffer,
    contentType: string,
    expected: string | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const write = () => this.#putSmall(key, bytes, contentType, expected, signal);
    const version = await this.#conditional(write);
    if (expected === undefined && this.#conditions.isUnknown) {
      const again = await write().catch((error) => {
        if (hasCode(error, 'ERR_STORE_CHANGED')) return undefined;
        throw error;
      });
      if (again === undefined) this.#conditions.prove();
      else this.#conditions.deny('ignores');
    }
    return version;
  }

  async #putSmall(
    key: string,
    bytes: Buffer,
    contentType: string,
    expected: string | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const command = new PutObjectCommand({
      ...this.#connection.at(key),
      Body: bytes,
      ContentType: contentType,
      ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
      ...this.#conditions.of(expected),
    });
    const { ETag } = await this.#connection.send(signal, bytes.length, (client, options) =>
      client.send(command, options).catch((error) => {
        // RFC 9110 §13.1.1 has 412 for If-Match on what does not exist; S3 says 404.
        if (isAbsent(error)) throw new Fault('ERR_STORE_CHANGED', `${key} is gone`);
        throw error;
      }),
    );
    return ETag ?? '';
  }

  async list(folder: string, signal: AbortSignal): Promise<readonly ListedObject[]> {
    const { Bucket, Key: Prefix } = this.#connection.at(folder);
    const found: ListedObject[] = [];
    let ContinuationToken: string | undefined;
    for (let answers = 0; answers < MAX_LIST_ANSWERS; answers += 1) {
      const command = new ListObjectsV2Command({
        Bucket,
        Prefix,
        Delimiter: '/',
        ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
      });
      const answer = await this.#connection.send(signal, 0, (client, options) => client.send(command, options));
      for (const { Key = '', Size } of answer.Contents ?? []) {
        if (Key !== Prefix) found.push({ name: Key.slice(Prefix.length), bytes: Size });
      }
      for (const { Prefix: below = '' } of answer.CommonPrefixes ?? []) {
        found.push({ name: below.slice(Prefix.length, -1), bytes: undefined });
      }
      ContinuationToken = answer.IsTruncated ? answer.NextContinuationToken : undefined;
      if (ContinuationToken === undefined) break;
    }
    return found;
  }

  async *keysBelow(folder: string, signal: AbortSignal): AsyncIterable<readonly string[]> {
    const { Bucket, Key: Prefix } = this.#connection.at(folder);
    let ContinuationToken: string | undefined;
    do {
      const command = new ListObjectsV2Command({ Bucket, Prefix, ...(ContinuationToken && { ContinuationToken }) });
      const answer = await this.#connection.send(signal, 0, (client, options) => client.send(command, options));
      const keys = (answer.Contents ?? []).map(({ Key = '' }) => folder + Key.slice(Prefix.length));
      if (keys.length > 0) yield keys;
      ContinuationToken = answer.IsTruncated ? answer.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined);
  }

  remove(keys: readonly string[], signal: AbortSignal): Promise<void> {
    return removeObjects(this.#connection, keys, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection[Symbol.dispose]();
  }
}

function conflict(key: string): Fault {
  return new Fault('ERR_STORE_CONFLICT', `another object has the key ${key}`);
}

function absentAsUndefined(error: unknown): undefined {
  if (isAbsent(error)) return undefined;
  throw error;
}
