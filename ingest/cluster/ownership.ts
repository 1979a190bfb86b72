import type { PublicationInfo } from '../media/publication.ts';

/** What a publication is called, and where it stands among those of its path. */
export interface Claim {
  /** 8 random characters of lower-case base32. */
  readonly pub: string;
  readonly epoch: number;
}

/** A publication that has ended. */
export interface EndedPublication {
  readonly info: PublicationInfo;
  /** Of its last frame, or of its acceptance; wall clock, ms. */
  readonly lastMediaAt: number;
}

/** Who owns a path: the seam between one process and a pool of pods. */
export interface Ownership {
  /** Takes the path for a new publication. */
  claim(path: string): Claim;
  /** The publication has ended: others may have the path. */
  release(publication: EndedPublication): void;
  /** An epoch of this path was found in the spool: later ones are higher. */
  seen(path: string, epoch: number): void;
}
