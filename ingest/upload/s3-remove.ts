import { DeleteObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3';
import { Fault } from '../runtime/fault.ts';
import type { S3Connection } from './s3-connection.ts';
import { s3Fault } from './s3-fault.ts';

/** Deletes objects with one request, or one by one where the store knows no other way. @throws Fault of STORE_FAULTS */
export async function removeObjects(
  connection: S3Connection,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (keys.length === 0) return;
  const { Bucket } = connection.at('');
  const Objects = keys.map((key) => ({ Key: connection.at(key).Key }));
  try {
    const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
    const { Errors = [] } = await connection.send(signal, 0, (client, options) => client.send(command, options));
    const [first] = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
    if (first === undefined) return;
    // The answer as a whole is a success: the code stands where the SDK has the name of an error.
    const httpStatusCode = first.Code === 'AccessDenied' ? 403 : 400;
    const { Code: name = '', Message: message = '' } = first;
    throw s3Fault({ name, message, $metadata: { httpStatusCode } });
  } catch (error) {
    if (!(error instanceof Fault && error.code === 'ERR_STORE_UNSUPPORTED')) throw error;
  }
  for (const { Key } of Objects) {
    const command = new DeleteObjectCommand({ Bucket, Key });
    await connection.send(signal, 0, (client, options) => client.send(command, options));
  }
}
