import type { StreamConfig } from '../crds/stream-config.ts';
import type { StoreBook } from './cluster/store-book.ts';
import type { StreamSet } from './cluster/stream-set.ts';
import type { Config } from './config/schema.ts';
import type { PublicationInfo } from './media/publication.ts';
import type { RecordingPolicy } from './record/recording-plan.ts';
import type { PublicationHeader } from './spool/segment-entry.ts';
import type { StoreAccess } from './upload/store-pool.ts';

/**
 * What is recorded how, and with which credentials it is stored: every publication as the settings say, or each as the
 * configuration of its stream does.
 */
export class RecordingPolicies {
  /** Everything is recorded, as the settings say. */
  readonly isOpen: boolean;
  readonly #record: Config['record'];
  readonly #set: StreamSet;
  readonly #book: StoreBook;

  constructor(isOpen: boolean, record: Config['record'], set: StreamSet, book: StoreBook) {
    this.isOpen = isOpen;
    this.#record = record;
    this.#set = set;
    this.#book = book;
  }

  /** Undefined: not at all. */
  policyOf({ path }: PublicationInfo): RecordingPolicy | undefined {
    const config = this.#set.of(path);
    if (config === undefined || config.recording === null) return undefined;
    const { store, segmentPattern, onFull } = config.recording;
    const { credentials, ...place } = store;
    return {
      facts: {
        owner: config.uid,
        store: { ...place, hasOwnCredentials: credentials !== null },
        segmentPattern,
        onFull,
      },
      settings: settingsOf(config.recording, this.#record),
    };
  }

  /** `settings`: the store of the process; undefined: nobody knows the credentials at present. */
  accessOf({ owner, store }: Pick<PublicationHeader, 'owner' | 'store'>): StoreAccess | 'settings' | undefined {
    if (store !== undefined) {
      const { hasOwnCredentials, ...place } = store;
      if (!hasOwnCredentials) return { ...place, credentials: null };
      const credentials = this.#book.credentialsFor(owner, place);
      return credentials === undefined ? undefined : { ...place, credentials };
    }
    // Recorded before streams were configured, or its journal was lost and rebuilt: then the owner's store is the best guess.
    return owner === '' ? 'settings' : this.#book.of(owner).at(-1);
  }
}

function settingsOf(recording: NonNullable<StreamConfig['recording']>, record: Config['record']): Config['record'] {
  const { format, segmentDurationMs: segmentDuration, segmentPattern } = recording;
  const standsAlone = format === 'flv' || segmentPattern !== null || record.layout === 'flat';
  const segmentTimeline = standsAlone ? 'file' : record.segmentTimeline;
  return { ...record, format, segmentDuration, segmentPattern, segmentTimeline };
}
