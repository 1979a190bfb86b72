import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { Fault } from '../runtime/fault.ts';
import type { BufferPool } from '../spool/buffer-pool.ts';
import { openSource, pieces, sourceFault } from './file-digest.ts';
import type { SegmentSource } from './object-store.ts';
import type { Condition } from './s3-conditional-writes.ts';
import type { S3Connection } from './s3-connection.ts';

/** Up to this size a segment is read as a whole, with one read; a larger one piece by piece. */
const WHOLE_BYTES = 8 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;

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
  buffers: BufferPool,
  signal: AbortSignal,
): Promise<string | undefined> {
  const checksum = Buffer.from(source.sha256, 'hex').toString('base64');
  const send = (body: Buffer | Readable) => sendBody(connection, key, source, condition, checksum, body, signal);
  await using handle = await openSource(source.file);
  const confirmed =
    source.bytes <= WHOLE_BYTES
      ? await sendWhole(handle, source, buffers, send)
      : await sendPieces(handle, source, send);
  if (confirmed !== undefined && confirmed !== checksum) {
    throw new Fault('ERR_STORE_CHECKSUM', `the store has ${confirmed} for ${key}, not ${checksum}`);
  }
  return confirmed;
}

type Send = (body: Buffer | Readable) => Promise<string | undefined>;

async function sendWhole(handle: FileHandle, source: SegmentSource, buffers: BufferPool, send: Send) {
  // One byte more shows a file that has grown.
  const buffer = buffers.take(source.bytes + 1);
  const { value: found } = await pieces(handle, buffer).next();
  checkBytes(source, found?.length ?? 0);
  const confirmed = await send(buffer.subarray(0, source.bytes));
  // Not after a failure: a connection that is given up may still read it.
  buffers.give(buffer);
  return confirmed;
}

async function sendPieces(handle: FileHandle, source: SegmentSource, send: Send) {
  const { size } = await handle.stat();
  checkBytes(source, size);
  const body = handle.createReadStream({ start: 0, highWaterMark: PIECE_BYTES, autoClose: false });
  const unreadable = new Promise<never>((_, reject) => body.once('error', (error) => reject(sourceFault(error))));
  unreadable.catch(() => {}); // it is awaited only while a request runs
  try {
    return await Promise.race([send(body), unreadable]);
  } finally {
    body.destroy();
  }
}

function checkBytes({ file, bytes }: SegmentSource, found: number): void {
  if (found !== bytes) throw new Fault('ERR_STORE_CHECKSUM', `${file} has not the ${bytes} bytes that it should`);
}

async function sendBody(
  connection: S3Connection,
  key: string,
  source: SegmentSource,
  condition: Condition,
  checksum: string,
  body: Buffer | Readable,
  signal: AbortSignal,
): Promise<string | undefined> {
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
  const answer = await connection.send(signal, source.bytes, (client, options) => client.send(command, options));
  return answer.ChecksumSHA256;
}
