import { z } from 'zod';

/** What is read of an object's metadata; the rest of it is left alone. The API server has its own schema for it. */
export const objectMeta = z.looseObject({
  name: z.string().max(253),
  namespace: z.string().max(63).default('default'),
});

/** `metadata` as the API server gives it. A file for `--streams DIR` has no more than name and namespace. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}
