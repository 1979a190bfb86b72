import { isDeepStrictEqual } from 'node:util';
import type { StoredStream } from '../compile/manifest.ts';

/** Whether nothing but the status of a stream changed: most of all our own writes of it, which need no further look. */
export function isStatusChange(now: StoredStream, before: StoredStream): boolean {
  const partOf = ({ metadata }: StoredStream) => {
    const { uid, generation, deletionTimestamp, finalizers, labels, annotations } = metadata;
    return { uid, generation, deletionTimestamp, finalizers, labels, annotations };
  };
  return isDeepStrictEqual(partOf(now), partOf(before));
}
