/** What one RTMP peer may make us hold. The names are those of `limits` in the settings; bytes and counts. */
export interface RtmpLimits {
  /** Audio, video and aggregate messages. */
  readonly messageBytes: number;
  /** Commands, control and whatever is neither media nor data. */
  readonly commandBytes: number;
  /** Data messages: onMetaData and its like. */
  readonly metadataBytes: number;
  /** Memory held by the unfinished messages of one connection. */
  readonly partialBytes: number;
  /** Chunk streams of one connection. */
  readonly chunkStreams: number;
  readonly chunkSizeMin: number;
  readonly chunkSizeMax: number;
}
