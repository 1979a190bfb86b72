import { PutObjectCommand } from '@aws-sdk/client-s3';
import { Fault } from '../runtime/fault.ts';
import { openSource, sourceFault } from './file-digest.ts';
import type { SegmentSource } from './object-store.ts';
import type { Condition } from './s3-conditional-writes.ts';
import type { S3Connection } from './s3-connection.ts';

const READ_BYTES = 256 * 1024;

/**
 * Sends a segment as one object, from the file, with its SHA-256 twice: as S3's checksum, which is kept with the object, and as
 * the signed hash of the payload, for stores that know no checksums. Returns the checksum (base64) that the store has
 * confirmed; undefined where it says none. @throws Fault of STORE_FAULTS; ERR_STORE_CHANGED where the key is taken
 */
export async function putWhole(
  connection: S3Connection,
  key: string,
  source: SegmentSource,
  condition: Condition,
  signal: AbortSignal,
): Promise<string | undefined> {
  const checksum = Buffer.from(source.sha256, 'hex').toString('base64');
  const handle = await openSource(source.file);
  const body = handle.createReadStream({ start: 0, highWaterMark: READ_BYTES, autoClose: false });
  const unreadable = new Promise<never>((_, reject) => body.once('error', (error) => reject(sourceFault(error))));
  unreadable.catch(() => {}); // it is awaited only while a request runs
  try {
    const { size } = await handle.stat();
    if (size !== source.bytes) {
      throw new Fault('ERR_STORE_CHECKSUM', `${source.file} has ${size} bytes, not ${source.bytes}`);
    }
    const command = new PutObjectCommand({
      ...connection.at(key),
      Body: body,
      ContentLength: source.bytes,
      ContentType: source.contentType,
      ChecksumSHA256: checksum,
      ...condition,
    });
    command.middlewareStack.add(
      (next) => (args) => {
        const { headers } = args.request as { headers: Record<string, string> };
        headers['x-amz-content-sha256'] = source.sha256;
        return next(args);
      },
      { step: 'build', name: 'headwaterContentSha256' },
    );
    const answer = await connection.send(signal, source.bytes, (client, options) =>
      Promise.race([client.send(command, options), unreadable]),
    );
    if (answer.ChecksumSHA256 !== undefined && answer.ChecksumSHA256 !== checksum) {
      throw new Fault('ERR_STORE_CHECKSUM', `the store has ${answer.ChecksumSHA256} for ${key}, not ${checksum}`);
    }
    return answer.ChecksumSHA256;
  } finally {
    body.destroy();
    await handle.close().catch(() => {});
  }
}
