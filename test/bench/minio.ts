import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { tool } from '../setup/tools.ts';
import { freePort } from '../support/ports.ts';
import { start } from '../support/process.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';
import { cpuSeconds } from './process-cpu.ts';

/** A MinIO of the benchmark's own, with an empty bucket. Disposal ends it and removes its data. */
export interface BenchStore extends AsyncDisposable {
  /** What Headwater is started with to record there. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What MinIO itself has used since it started. */
  cpuSeconds(): number;
}

const BUCKET = 'bench';
const KEY = 'bench-user';
const SECRET = 'bench-password';

/** Starts MinIO on a free port and makes the bucket. */
export async function startMinio(): Promise<BenchStore> {
  const port = await freePort();
  const dir = new TempDir('bench-minio');
  const address = `127.0.0.1:${port}`;
  const args = ['server', '--quiet', '--address', address, '--console-address', '127.0.0.1:0', dir.path];
  const child = start(tool('minio'), args, { env: { MINIO_ROOT_USER: KEY, MINIO_ROOT_PASSWORD: SECRET } });
  const client = new S3Client({
    endpoint: `http://${address}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: KEY, secretAccessKey: SECRET },
  });
  const dispose = async () => {
    await child.stop().catch(() => {});
    await child[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  };
  try {
    await waitFor('MinIO to make a bucket', () => madeBucket(client));
  } catch (error) {
    await dispose();
    throw error;
  } finally {
    client.destroy();
  }
  return {
    flags: ['--store', `s3://${BUCKET}`, '--s3-endpoint', `http://${address}`],
    env: { AWS_ACCESS_KEY_ID: KEY, AWS_SECRET_ACCESS_KEY: SECRET },
    cpuSeconds: () => cpuSeconds(child.pid),
    [Symbol.asyncDispose]: dispose,
  };
}

async function madeBucket(client: S3Client): Promise<boolean> {
  try {
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    return true;
  } catch {
    return false; // not listening yet
  }
}
