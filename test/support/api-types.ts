/** What the tests rely on in an answer of `GET /api/v1/streams/{path}`. Times in seconds, sizes in bytes, DTS in 90 kHz ticks of the source. */
export interface StreamView {
  readonly path: string;
  readonly state: string;
  readonly pub: string;
  readonly epoch: number;
  readonly publisher: {
    readonly conn_id: string;
    readonly protocol: string;
    readonly since: string;
    /** Of an SRT publisher: libsrt's statistics and more. */
    readonly srt?: Readonly<Record<string, unknown>>;
  } | null;
  readonly video: {
    readonly codec: string;
    readonly width?: number;
    readonly height?: number;
    readonly fps?: number;
    readonly bitrate?: number;
    readonly gop?: number;
  } | null;
  readonly audio: { readonly codec: string; readonly bitrate?: number } | null;
  readonly tracks: readonly { readonly kind: 'video' | 'audio'; readonly codec: string; readonly frames: number }[];
  readonly frames: number;
  readonly viewers: { readonly count: number; readonly srt?: readonly Readonly<Record<string, unknown>>[] };
  readonly recording: {
    readonly state: string;
    readonly recording: string;
    readonly durable: { readonly pub: string; readonly seq: number; readonly dts: number } | null;
  } | null;
  readonly upload: {
    readonly pendingSegments: number;
    readonly pendingBytes: number;
    readonly store: { readonly available: boolean; readonly code?: string };
  } | null;
  readonly secondsAtRisk: number;
}
