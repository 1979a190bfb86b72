import { z } from 'zod';
import { RECORDING_STORE } from './stream-config.ts';

/** Stores that one stream's recordings may lie in, at most: each change of store adds one. */
export const TOMBSTONE_STORES = 64;

/**
 * The document in a Secret `d-<uid>`: every recording with this uid, under `<path>/` of these stores, is to be deleted. The
 * janitor of the pool does it and reports it done; then the operator removes the Secret.
 */
export const TOMBSTONE = z.object({
  version: z.literal(1),
  uid: z.string().min(1).max(64),
  path: z.string().max(256),
  stores: z.array(RECORDING_STORE).max(TOMBSTONE_STORES),
  /** RFC 3339. */
  requestedAt: z.string().max(64),
});

export type Tombstone = Readonly<z.output<typeof TOMBSTONE>>;
