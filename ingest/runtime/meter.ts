/** Every metric: its type, what it says, its label (bounded values only). docs/metrics.md and the prom-client registry are made from this table. */
export const METRICS = {
  headwater_connections_total: { type: 'counter', help: 'Connections accepted', label: 'protocol' },
  headwater_connection_faults_total: {
    type: 'counter',
    help: 'Connections ended by a fault of the peer',
    label: 'code',
  },
  headwater_received_bytes_total: {
    type: 'counter',
    help: 'Bytes received from publishers and viewers',
    label: 'protocol',
  },
  headwater_sent_bytes_total: { type: 'counter', help: 'Bytes sent to viewers', label: 'protocol' },
  headwater_publications_total: { type: 'counter', help: 'Publications accepted', label: 'protocol' },
  headwater_publications_refused_total: { type: 'counter', help: 'Publishers refused', label: 'reason' },
  headwater_publications_ended_total: { type: 'counter', help: 'Publications ended', label: 'cause' },
  headwater_viewers_total: { type: 'counter', help: 'Viewers accepted', label: 'protocol' },
  headwater_viewers_refused_total: { type: 'counter', help: 'Viewers refused', label: 'reason' },
  headwater_viewers_evicted_total: {
    type: 'counter',
    help: 'Viewers closed because they did not read',
    label: 'reason',
  },
  headwater_viewer_cuts_total: {
    type: 'counter',
    help: 'Times a slow viewer was moved to the newest keyframe',
    label: null,
  },
  headwater_viewer_dropped_frames_total: { type: 'counter', help: 'Frames slow viewers did not get', label: null },
  headwater_viewer_tracks_left_out_total: {
    type: 'counter',
    help: 'Tracks that viewers were not sent, since MPEG-TS has no form for them',
    label: 'codec',
  },
  headwater_viewers_without_fourcc_total: {
    type: 'counter',
    help: 'Viewers sent FourCC codecs without having announced fourCcList',
    label: null,
  },
  headwater_skipped_messages_total: {
    type: 'counter',
    help: 'Messages of a publisher that were not understood and skipped',
    label: 'code',
  },
  headwater_gaps_total: { type: 'counter', help: 'Gaps declared in the media of publishers', label: 'cause' },
  headwater_srt_packets_total: { type: 'counter', help: 'Data packets of SRT connections', label: 'kind' },
  headwater_srt_rejections_total: {
    type: 'counter',
    help: 'SRT callers refused, by what they were told',
    label: 'rejection',
  },
  headwater_segments_total: { type: 'counter', help: 'Segments closed', label: 'state' },
  headwater_recording_dropped_seconds_total: {
    type: 'counter',
    help: 'Seconds of media declared as not recorded',
    label: 'cause',
  },
  headwater_recording_errors_total: { type: 'counter', help: 'Failed writes to the spool', label: 'code' },
  headwater_fragment_sync_seconds: {
    type: 'histogram',
    help: 'Time from a fragment closed to its fdatasync returned',
    label: null,
  },
  headwater_upload_attempts_total: { type: 'counter', help: 'Attempts to store an object', label: 'result' },
  headwater_upload_bytes_total: { type: 'counter', help: 'Bytes of segments confirmed by the store', label: null },
  headwater_deleted_objects_total: {
    type: 'counter',
    help: 'Objects deleted with the streams that they were recorded of',
    label: null,
  },
  headwater_deletion_errors_total: {
    type: 'counter',
    help: 'Attempts to delete recordings that failed',
    label: 'code',
  },
  headwater_upload_confirm_seconds: {
    type: 'histogram',
    help: 'Time from a segment closed to confirmed by the store',
    label: null,
  },
  headwater_deletions_pending: { type: 'gauge', help: 'Streams whose recordings are still to be deleted', label: null },
  headwater_streams_configured: { type: 'gauge', help: 'Streams that are configured', label: 'state' },
  headwater_streams: { type: 'gauge', help: 'Live publications', label: null },
  headwater_viewers: { type: 'gauge', help: 'Viewers connected', label: 'protocol' },
  headwater_connections: { type: 'gauge', help: 'Connections open', label: null },
  headwater_recording_seconds_at_risk: {
    type: 'gauge',
    help: 'Media received and not yet confirmed by the store, all streams',
    label: null,
  },
  headwater_upload_backlog_bytes: {
    type: 'gauge',
    help: 'Bytes of closed segments waiting for the store',
    label: null,
  },
  headwater_upload_backlog_segments: { type: 'gauge', help: 'Closed segments waiting for the store', label: null },
  headwater_upload_oldest_pending_seconds: {
    type: 'gauge',
    help: 'Age of the oldest closed segment waiting for the store',
    label: null,
  },
  headwater_spool_used_bytes: { type: 'gauge', help: 'Bytes the spool holds', label: null },
  headwater_spool_limit_bytes: { type: 'gauge', help: 'Bytes the spool may hold', label: null },
  headwater_spool_seconds_to_full: {
    type: 'gauge',
    help: 'Seconds until the spool is full at the present rate; +Inf while it does not grow',
    label: null,
  },
  headwater_kube_requests_total: { type: 'counter', help: 'Requests to the API server', label: 'code' },
  headwater_kube_connections_total: { type: 'counter', help: 'Connections opened to the API server', label: null },
  headwater_kube_watch_failures_total: {
    type: 'counter',
    help: 'Lists and watches that failed and were begun again',
    label: 'code',
  },
  headwater_kube_cache_misses_total: {
    type: 'counter',
    help: 'Changes that a watch did not tell, found by the periodic list; 0 in good health',
    label: 'resource',
  },
  headwater_kube_queue_retries_total: { type: 'counter', help: 'Keys put off after a failure', label: 'queue' },
  headwater_kube_watch_age_seconds: {
    type: 'gauge',
    help: 'Time since a watch was last heard of',
    label: 'resource',
  },
  headwater_kube_queue_depth: { type: 'gauge', help: 'Keys waiting to be worked on', label: 'queue' },
  headwater_operator_leading: { type: 'gauge', help: '1 in the replica that works, 0 in the others', label: null },
  headwater_operator_pods: {
    type: 'gauge',
    help: 'Ingest pods of the pool, as the operator sees them',
    label: 'state',
  },
  headwater_operator_streams: { type: 'gauge', help: 'LiveStreams of the pool', label: 'phase' },
  headwater_operator_status_writes_total: { type: 'counter', help: 'Statuses written', label: 'kind' },
  headwater_operator_programming_seconds: {
    type: 'histogram',
    help: 'Time from a configuration written to obeyed by all ready pods',
    label: null,
  },
  headwater_event_loop_delay_seconds: {
    type: 'gauge',
    help: 'p99 of the event loop delay since the last scrape',
    label: null,
  },
} as const satisfies Record<string, MetricSpec>;

export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly label: string | null;
}

type NamesOf<T extends MetricSpec['type']> = {
  [N in keyof typeof METRICS]: (typeof METRICS)[N]['type'] extends T ? N : never;
}[keyof typeof METRICS];

export type CounterName = NamesOf<'counter'>;
export type HistogramName = NamesOf<'histogram'>;
export type GaugeName = NamesOf<'gauge'>;

/** What the rest of the program sees of the metrics. Label values must come from a bounded set. */
export interface Meter {
  count(name: CounterName, label?: string | null, by?: number): void;
  observe(name: HistogramName, value: number): void;
  /** Registers the function that is read at each scrape; with a label, one value per label value. */
  gauge(name: GaugeName, read: () => number | ReadonlyMap<string, number>): void;
}

/** For tests and tools that measure nothing. */
export const NO_METER: Meter = { count() {}, observe() {}, gauge() {} };
