import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Config } from '../config/schema.ts';
import { Fault } from '../runtime/fault.ts';
import { readCredentials } from './s3-credentials.ts';
import { s3Fault } from './s3-fault.ts';

/** `store.s3` of the settings. */
export type S3Settings = Config['store']['s3'];

/** The SDK writes to the console unless it is given a logger; whatever it has to say comes as an error too. */
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** Where an S3 store's objects lie. `prefix` has no slash at its ends; it may be empty. */
export interface S3Place {
  readonly bucket: string;
  readonly prefix: string;
}

/** Slowest transfer that counts as alive: added to the time one request may take. */
const BYTES_PER_SECOND = 64 * 1024;

/** What each request of the client is given, so that it ends in time. */
export interface RequestOptions {
  readonly abortSignal: AbortSignal;
  readonly requestTimeout: number;
}

/** A client and how many requests it serves now; one that is stale is closed after the last of them. */
interface Lease {
  readonly client: S3Client;
  users: number;
  isStale: boolean;
}

/**
 * Sends requests to one S3 endpoint, each within its time. When the store refuses the credentials, the client and all that
 * it has cached goes: the next request reads them anew.
 */
export class S3Connection implements Disposable {
  readonly #place: S3Place;
  readonly #settings: S3Settings;
  readonly #maxSockets: number;
  #current: Lease | undefined;

  constructor(place: S3Place, settings: S3Settings, maxSockets: number) {
    this.#place = place;
    this.#settings = settings;
    this.#maxSockets = maxSockets;
  }

  /** Bucket and full key of an object under the prefix. */
  at(key: string): { readonly Bucket: string; readonly Key: string } {
    const { bucket, prefix } = this.#place;
    return { Bucket: bucket, Key: prefix === '' ? key : `${prefix}/${key}` };
  }

  /**
   * Runs one request that carries `bytes` either way. The time covers the whole of it, answer included.
   * @throws Fault of STORE_FAULTS, or the signal's reason
   */
  async send<T>(
    signal: AbortSignal,
    bytes: number,
    request: (client: S3Client, options: RequestOptions) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    const requestTimeout = this.#settings.requestTimeout + (bytes / BYTES_PER_SECOND) * 1000;
    const own = new AbortController();
    const onAbort = () => own.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => {
      own.abort(new Fault('ERR_STORE_TIMEOUT', `no answer within ${Math.round(requestTimeout)} ms`));
    }, requestTimeout);
    let lease: Lease | undefined;
    try {
      lease = this.#current ??= { client: await this.#connect(), users: 0, isStale: false };
      lease.users += 1;
      return await request(lease.client, { abortSignal: own.signal, requestTimeout });
    } catch (error) {
      signal.throwIfAborted();
      const fault = own.signal.aborted ? s3Fault(own.signal.reason) : s3Fault(error);
      if (fault.code === 'ERR_STORE_ACCESS' && lease) this.#retire(lease);
      throw fault;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (lease) this.#release(lease);
      own.abort();
    }
  }

  #release(lease: Lease): void {
    lease.users -= 1;
    if (lease.isStale && lease.users === 0) lease.client.destroy();
  }

  #retire(lease: Lease): void {
    lease.isStale = true;
    if (this.#current === lease) this.#current = undefined;
  }

  async #connect(): Promise<S3Client> {
    const { endpoint, region, forcePathStyle, connectTimeout, requestTimeout } = this.#settings;
    const { accessKeyId, secretAccessKey, credentialsFile } = this.#settings;
    const agent = { maxSockets: this.#maxSockets, keepAlive: true };
    const credentials = credentialsFile
      ? await readCredentials(credentialsFile)
      : accessKeyId !== null && secretAccessKey !== null
        ? { accessKeyId, secretAccessKey }
        : undefined;
    const config: S3ClientConfig & { ignoreCache: boolean } = {
      region,
      forcePathStyle,
      maxAttempts: 1,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // With `Expect: 100-continue` the SDK opens a connection per object.
      expectContinueHeader: false,
      logger: SILENT,
      requestHandler: new NodeHttpHandler({
        logger: SILENT,
        connectionTimeout: connectTimeout,
        requestTimeout,
        socketTimeout: requestTimeout,
        throwOnRequestTimeout: true,
        httpAgent: agent,
        httpsAgent: agent,
      }),
      // Passed on to the default chain: without it a profile is read once in the life of the process.
      ignoreCache: true,
      ...(endpoint === null ? {} : { endpoint }),
      ...(credentials ? { credentials } : {}),
    };
    return new S3Client(config);
  }

  /** Closes the connections when the last request is done; a later request opens new ones. */
  [Symbol.dispose](): void {
    const lease = this.#current;
    if (!lease) return;
    this.#retire(lease);
    if (lease.users === 0) lease.client.destroy();
  }
}
