import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { tool } from '../setup/tools.ts';
import { freePort } from './ports.ts';
import { start, type TestProcess } from './process.ts';
import { TempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

const USER = 'headwater-test';
const PASSWORD = 'headwater-test-secret';

/** An object of the bucket. */
export interface BucketObject {
  readonly key: string;
  readonly bytes: Buffer;
  /** When it was stored, to the millisecond. */
  readonly storedAt: Date;
}

/** A real MinIO with one bucket, that can be stopped and started again on the same port and data. */
export class Minio implements AsyncDisposable {
  readonly bucket = 'recordings';
  readonly accessKeyId = USER;
  readonly secretAccessKey = PASSWORD;
  readonly port: number;
  readonly #host: string;
  readonly #dir: TempDir;
  readonly #client: S3Client;
  #process: TestProcess | undefined;

  private constructor(host: string, port: number, dir: TempDir) {
    this.port = port;
    this.#host = host;
    this.#dir = dir;
    this.#client = new S3Client({
      endpoint: this.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: USER, secretAccessKey: PASSWORD },
    });
  }

  /** @param host an address of this machine; loopback unless given */
  static async start(host = '127.0.0.1'): Promise<Minio> {
    const minio = new Minio(host, await freePort(), new TempDir('minio'));
    await minio.up();
    await minio.#client.send(new CreateBucketCommand({ Bucket: minio.bucket }));
    return minio;
  }

  get endpoint(): string {
    return `http://${this.#host}:${this.port}`;
  }

  /** Starts it, and waits until it answers. */
  async up(): Promise<void> {
    const address = ['--address', `${this.#host}:${this.port}`, '--console-address', `127.0.0.1:${await freePort()}`];
    this.#process = start(tool('minio'), ['server', ...address, this.#dir.path], {
      env: { MINIO_ROOT_USER: USER, MINIO_ROOT_PASSWORD: PASSWORD, MINIO_BROWSER: 'off' },
    });
    await waitFor('MinIO to answer', async () => {
      const response = await fetch(`${this.endpoint}/minio/health/ready`).catch(() => undefined);
      await response?.body?.cancel();
      return response?.ok;
    });
  }

  /** Kills it: from now on its port refuses connections. */
  async down(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  /** Keys in the bucket. */
  async keys(): Promise<string[]> {
    return (await this.#list()).map(({ Key }) => Key!);
  }

  /** Every object of the bucket. */
  async objects(): Promise<BucketObject[]> {
    const objects: BucketObject[] = [];
    for (const { Key, LastModified } of await this.#list()) {
      const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.bucket, Key: Key! }));
      objects.push({ key: Key!, bytes: Buffer.from(await Body!.transformToByteArray()), storedAt: LastModified! });
    }
    return objects;
  }

  async #list() {
    const found = [];
    let ContinuationToken: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.bucket,
        ...(ContinuationToken && { ContinuationToken }),
      });
      const answer = await this.#client.send(command);
      found.push(...(answer.Contents ?? []));
      ContinuationToken = answer.NextContinuationToken;
    } while (ContinuationToken);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
    await this.down();
    this.#dir[Symbol.dispose]();
  }
}
