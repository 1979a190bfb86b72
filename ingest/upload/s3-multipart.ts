import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Fault } from '../runtime/fault.ts';
import { openSource, pieces } from './file-digest.ts';
import type { PartsChecksum, SegmentSource } from './object-store.ts';
import type { Condition } from './s3-conditional-writes.ts';
import type { S3Connection } from './s3-connection.ts';

/** Name of the object's metadata that says how large its parts are: needed to check its composite checksum. */
export const PART_BYTES_KEY = 'headwater-part-bytes';
/** Most parts of one object, as S3 has it. */
const MAX_PARTS = 10_000;
/** Time to give up an upload in parts that failed, when the program ends. */
const ABORT_MS = 5_000;

interface Upload {
  readonly connection: S3Connection;
  readonly key: string;
  readonly source: SegmentSource;
  readonly signal: AbortSignal;
}

/** Parts of a file this large: `wished` bytes, more where that would be too many parts. */
function partSizeOf(bytes: number, wished: number): number {
  return Math.max(wished, Math.ceil(bytes / MAX_PARTS));
}

/**
 * Sends a segment in parts, one after the other, each with its SHA-256; parts left over by a crash are removed before, and its
 * own on failure. Returns the checksum that the store has confirmed; undefined where it says none. @throws Fault of STORE_FAULTS; ERR_STORE_CHECKSUM where file and checksum differ: then nothing is stored
 */
export async function putParts(
  connection: S3Connection,
  key: string,
  source: SegmentSource,
  partSize: number,
  condition: Condition,
  signal: AbortSignal,
): Promise<PartsChecksum | undefined> {
  const upload: Upload = { connection, key, source, signal };
  const partBytes = partSizeOf(source.bytes, partSize);
  await removeLeftovers(upload);
  const at = connection.at(key);
  const { UploadId } = await connection.send(signal, 0, (client, options) =>
    client.send(
      new CreateMultipartUploadCommand({
        ...at,
        ContentType: source.contentType,
        ChecksumAlgorithm: 'SHA256',
        Metadata: { [PART_BYTES_KEY]: String(partBytes) },
      }),
      options,
    ),
  );
  if (UploadId === undefined) throw new Fault('ERR_STORE_UNAVAILABLE', 'the store gave no upload id');
  try {
    const { parts, composite } = await sendParts(upload, UploadId, partBytes);
    const answer = await connection.send(signal, 0, (client, options) =>
      client.send(
        new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts: parts }, ...condition }),
        options,
      ),
    );
    if (answer.ChecksumSHA256 === undefined) return undefined;
    if (answer.ChecksumSHA256 !== composite) {
      throw new Fault('ERR_STORE_CHECKSUM', `the store has ${answer.ChecksumSHA256} for ${key}, not ${composite}`);
    }
    return { partBytes, sha256: composite };
  } catch (error) {
    await abort(upload, UploadId);
    throw error;
  }
}

async function sendParts(upload: Upload, UploadId: string, partBytes: number) {
  const { connection, key, source, signal } = upload;
  await using handle = await openSource(source.file);
  const whole = createHash('sha256');
  const ofParts = createHash('sha256');
  const parts: { PartNumber: number; ETag: string | undefined; ChecksumSHA256: string }[] = [];
  const buffer = Buffer.allocUnsafe(Math.min(partBytes, source.bytes));
  for await (const piece of pieces(handle, buffer, signal)) {
    whole.update(piece);
    const digest = createHash('sha256').update(piece).digest();
    ofParts.update(digest);
    const PartNumber = parts.length + 1;
    const ChecksumSHA256 = digest.toString('base64');
    const { ETag } = await connection.send(signal, piece.length, (client, options) =>
      client.send(
        new UploadPartCommand({ ...connection.at(key), UploadId, PartNumber, Body: piece, ChecksumSHA256 }),
        options,
      ),
    );
    parts.push({ PartNumber, ETag, ChecksumSHA256 });
  }
  if (whole.digest('hex') !== source.sha256) {
    throw new Fault('ERR_STORE_CHECKSUM', `${source.file} does not have its checksum`);
  }
  return { parts, composite: `${ofParts.digest('base64')}-${parts.length}` };
}

async function abort({ connection, key }: Upload, UploadId: string): Promise<void> {
  await connection
    .send(AbortSignal.timeout(ABORT_MS), 0, (client, options) =>
      client.send(new AbortMultipartUploadCommand({ ...connection.at(key), UploadId }), options),
    )
    .catch(() => {}); // what is left is removed before the next attempt
}

/** Without the right to list uploads there is nothing to be done about them here: a lifecycle rule of the bucket can. */
async function removeLeftovers(upload: Upload): Promise<void> {
  const { Bucket, Key } = upload.connection.at(upload.key);
  const found = await upload.connection
    .send(upload.signal, 0, (client, options) =>
      client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key }), options),
    )
    .catch((error) => {
      upload.signal.throwIfAborted();
      if (error instanceof Fault && /ACCESS|UNSUPPORTED|REFUSED/.test(error.code)) return undefined;
      throw error;
    });
  for (const { Key: key, UploadId } of found?.Uploads ?? []) {
    if (key === Key && UploadId !== undefined) await abort(upload, UploadId);
  }
}
