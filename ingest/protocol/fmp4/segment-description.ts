/** What a segment says of itself, in a format version of its own: enough to rebuild manifests from segments alone. JSON in the file. */
export interface SegmentDescription {
  readonly version: 1;
  /** `app/name`. */
  readonly path: string;
  /** LiveStream uid; empty without Kubernetes. */
  readonly owner: string;
  /** `YYYYMMDDTHHMMSSZ-<epoch>`. */
  readonly recording: string;
  readonly epoch: number;
  readonly pub: string;
  /** From 1 within the publication. */
  readonly seq: number;
  /** Wall clock of the first frame, RFC 3339, UTC. */
  readonly start: string;
  /** Source DTS = time in this file + sourceDtsOffset, 90 kHz ticks. */
  readonly sourceDtsOffset: number;
  /** Time on the recording's timeline = time in this file + timelineOffset, 90 kHz ticks. 0 where the file counts on that timeline itself. */
  readonly timelineOffset: number;
  /** Starts on a keyframe (or has no video). */
  readonly aligned: boolean;
}

/** A track as the segment's description lists it. */
export interface DescribedTrack {
  /** `track_ID` of the MP4 file; in FLV, 1 and up in the order of the description. */
  readonly id: number;
  readonly codec: string;
}

/** A description as it stands in the file. */
export interface StoredDescription extends SegmentDescription {
  readonly tracks: readonly DescribedTrack[];
}

const MAX_TRACKS = 1024;

/** The description as it is stored, UTF-8. */
export function encodeDescription(description: SegmentDescription, tracks: readonly DescribedTrack[]): string {
  const { version, path, owner, recording, epoch, pub, seq, start, sourceDtsOffset, timelineOffset, aligned } =
    description;
  const listed = tracks.map(({ id, codec }) => ({ id, codec }));
  return JSON.stringify({
    ...{ version, path, owner, recording, epoch, pub, seq, start, sourceDtsOffset, timelineOffset, aligned },
    tracks: listed,
  });
}

/** Reads a stored description; undefined where a field is missing, of another type or of another version. Unknown fields are dropped. */
export function parseDescription(json: string): StoredDescription | undefined {
  const raw = objectOf(json);
  if (raw?.version !== 1) return undefined;
  const { path, owner, recording, epoch, pub, seq, start, sourceDtsOffset, timelineOffset, aligned } = raw;
  const texts = [path, owner, recording, pub, start];
  const numbers = [epoch, seq, sourceDtsOffset, timelineOffset];
  if (!texts.every((text) => typeof text === 'string')) return undefined;
  if (!numbers.every(Number.isSafeInteger) || typeof aligned !== 'boolean') return undefined;
  const tracks = parseTracks(raw.tracks);
  if (tracks === undefined) return undefined;
  return {
    version: 1,
    path: path as string,
    owner: owner as string,
    recording: recording as string,
    epoch: epoch as number,
    pub: pub as string,
    seq: seq as number,
    start: start as string,
    sourceDtsOffset: sourceDtsOffset as number,
    timelineOffset: timelineOffset as number,
    aligned,
    tracks,
  };
}

function parseTracks(raw: unknown): DescribedTrack[] | undefined {
  if (!Array.isArray(raw) || raw.length > MAX_TRACKS) return undefined;
  const tracks: DescribedTrack[] = [];
  for (const item of raw as unknown[]) {
    const { id, codec } = (item ?? {}) as Record<string, unknown>;
    if (!Number.isSafeInteger(id) || typeof codec !== 'string') return undefined;
    tracks.push({ id: id as number, codec });
  }
  return tracks;
}

function objectOf(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
