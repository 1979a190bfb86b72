import type { Config } from '../config/schema.ts';
import { parseStoreUrl } from '../config/store-url.ts';
import type { Log } from '../runtime/log.ts';
import { type ExistingNames, NOTHING_KNOWN } from '../spool/segment-names.ts';
import { FileStore, namesInFolder } from './file-store.ts';
import type { ObjectStore } from './object-store.ts';

/** The store that the settings name. Nothing is sent to it yet. */
export async function openStore(config: Pick<Config, 'store' | 'upload'>, log: Log): Promise<ObjectStore> {
  const location = parseStoreUrl(config.store.url);
  if (location.kind === 'file') return new FileStore(location.dir);
  // A quarter of a second and 64 MB that a folder does not need.
  const { S3Store } = await import('./s3-store.ts');
  const { multipartAbove, partSize, concurrency } = config.upload;
  const { bucket, prefix } = location;
  return new S3Store({ bucket, prefix, settings: config.store.s3, multipartAbove, partSize, concurrency, log });
}

/** What can be seen of the names in that store while recording: all in a folder, nothing in a bucket. */
export function existingNames(storeUrl: string): ExistingNames {
  const location = parseStoreUrl(storeUrl);
  return location.kind === 'file' ? namesInFolder(location.dir) : NOTHING_KNOWN;
}
