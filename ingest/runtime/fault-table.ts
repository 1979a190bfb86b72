/** What a code means and what to do about it. */
export interface FaultEntry {
  readonly meaning: string;
  readonly remedy: string;
}

const UPLOAD_WAITS = 'Nothing is lost: segments wait in the spool and are tried again for ever.';
const OURS = 'A defect of Headwater: please report it with the log line.';

/**
 * Every code that is not a broken protocol (those are in `PROTOCOL_FAULTS`). docs/errors.md is made from this table;
 * `npm run check` fails when a code of the source is missing here, or one here is used nowhere.
 */
export const FAULT_TABLE: { readonly [code: `ERR_${string}`]: FaultEntry } = {
  ERR_API_BUSY: {
    meaning: 'A hundred programs read `/api/v1/events` already.',
    remedy: 'Close some of them; one can serve many people.',
  },
  ERR_API_FORBIDDEN: {
    meaning: 'The API was asked without its token, or from another machine while it has none.',
    remedy: 'Start with `--api-token-file FILE` and send `Authorization: Bearer …` with the content of that file.',
  },
  ERR_API_TOKEN_FILE: {
    meaning: 'The file of `--api-token-file` cannot be read, or is empty.',
    remedy: 'Write the token into it. While it is missing, the API answers nobody.',
  },
  ERR_AUTH_KEY: {
    meaning: 'A publisher gave no key, or none of the stream’s.',
    remedy: 'The stream key is `NAME?key=KEY`; the Secret `NAME-ingest` has it, and the whole URL.',
  },
  ERR_AUTH_PLAY: {
    meaning: 'A viewer asked over HTTP for a stream that cannot be watched so.',
    remedy: 'See `spec.playback.protocols` and `spec.suspend` of the LiveStream.',
  },
  ERR_AUTH_PROTOCOL: {
    meaning: 'A publisher or viewer came over a protocol that the stream does not offer.',
    remedy: 'See `spec.ingest.protocols` and `spec.playback.protocols` of the LiveStream.',
  },
  ERR_AUTH_SUSPENDED: {
    meaning: 'Somebody came to a stream that is suspended.',
    remedy: 'Set `spec.suspend` of the LiveStream to false.',
  },
  ERR_AUTH_UNKNOWN_PATH: {
    meaning: 'Somebody came to a path that no LiveStream has.',
    remedy: 'The path is NAMESPACE/NAME of the LiveStream: server `rtmp://HOST/NAMESPACE`, stream key `NAME?key=KEY`.',
  },
  ERR_CLI_COMMAND: { meaning: 'There is no such command.', remedy: '`headwater --help` lists all.' },
  ERR_CONFIG_FILE: { meaning: 'The file of `--config` cannot be read.', remedy: 'Check its name and its permissions.' },
  ERR_CONFIG_INVALID: {
    meaning:
      'Flags, environment or file hold something unknown, malformed or contradictory; every problem found is listed.',
    remedy: 'The message says for each what to write instead.',
  },
  ERR_CONFIG_PATTERN: {
    meaning: 'No file names can be made from `--segment-pattern`.',
    remedy: 'The message says what is wrong with it; docs/config.md lists the conversions.',
  },
  ERR_FLV_FILE: { meaning: 'A segment could not be written as FLV.', remedy: OURS },
  ERR_FMP4_FRAGMENT: { meaning: 'A fragment could not be written as fragmented MP4.', remedy: OURS },
  ERR_FMP4_TRACK: {
    meaning: 'The configuration record of a track cannot be described in fragmented MP4.',
    remedy: 'Record with `--format flv`, or publish with another encoder.',
  },
  ERR_HTTP_HEADERS_TOO_LARGE: {
    meaning: 'The headers of an HTTP request, its URL among them, are longer than 16 KiB.',
    remedy: 'Check the program that sent it: URLs here are short, and no cookies are wanted.',
  },
  ERR_HTTP_MALFORMED: {
    meaning: 'What came on the HTTP port is no HTTP request.',
    remedy: 'Check the port: RTMP and TLS have ports of their own.',
  },
  ERR_HTTP_METHOD: { meaning: 'The API was asked with another method than GET.', remedy: 'Use GET.' },
  ERR_HTTP_NOT_FOUND: {
    meaning: 'Nothing is served at this URL.',
    remedy: 'Live streams are at `/{app}/{name}.flv`, the API at `/api/v1/streams`.',
  },
  ERR_HTTP_PIPELINED: {
    meaning: 'A connection sent another HTTP request before the answer to the one before had ended.',
    remedy: 'Use one connection for each live stream, and wait for answers.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    meaning: 'A connection to the HTTP port did not send a whole request within `limits.request`.',
    remedy: 'Port scanners and health checks by bare TCP cause it; they do no harm.',
  },
  ERR_HTTP_STOPPING: {
    meaning: 'A viewer waited for a stream when the server stopped, or came while it did.',
    remedy: 'Try again when it has started.',
  },
  ERR_HTTP_URL: { meaning: 'The target of an HTTP request is no URL.', remedy: 'Check the program that sent it.' },
  ERR_INTERNAL_UNSIGNED: {
    meaning: '`/internal/v1/…` was asked without a signature of the pool’s own, or by a clock that is a minute off.',
    remedy: 'It is for the operator. If it is the operator that is refused, set the clocks of the nodes.',
  },
  ERR_INTERNAL: { meaning: 'The server failed on a request.', remedy: OURS },
  ERR_KUBE_CONFIG: {
    meaning: 'There is no API server to talk to: neither a pod of a cluster nor a kubeconfig that can be used.',
    remedy: 'Run it in a pod with a ServiceAccount token, or name a file with `--kubeconfig` or `KUBECONFIG`.',
  },
  ERR_KUBE_CONFLICT: {
    meaning: 'The object was changed by somebody else since it was read.',
    remedy: 'It is read anew and tried again.',
  },
  ERR_KUBE_FORBIDDEN: {
    meaning: 'The ServiceAccount has no right to do this.',
    remedy: 'The message names verb and resource: install the Roles of the chart of this very version.',
  },
  ERR_KUBE_GONE: {
    meaning: 'The API server no longer has the changes since the last one that was seen.',
    remedy: 'Everything is listed anew, which loses nothing.',
  },
  ERR_KUBE_INVALID: {
    meaning: 'The API server refuses the object or the request.',
    remedy: 'The message has its words. Where it is an object of ours, the CRDs may be of another version.',
  },
  ERR_KUBE_LEADERSHIP_LOST: {
    meaning: 'This process was the leader and could not renew its Lease in time; it starts no request and ends.',
    remedy: 'Another replica leads. Repeated, the API server is overloaded or this process gets too little CPU.',
  },
  ERR_KUBE_MALFORMED: {
    meaning: 'The answer of the API server is not what it should be, or is larger than 64 MiB.',
    remedy: 'A proxy between them may be the cause. It is tried again.',
  },
  ERR_KUBE_NOT_FOUND: { meaning: 'The object, or its kind, does not exist.', remedy: 'Are the CRDs installed?' },
  ERR_KUBE_STALLED: {
    meaning: 'A watch was open but silent for longer than the API server ever is.',
    remedy: 'It is opened again. Repeated, something on the way drops idle connections.',
  },
  ERR_KUBE_THROTTLED: {
    meaning: 'The API server asks for fewer requests.',
    remedy: 'It is obeyed. Repeated, give the ServiceAccounts a FlowSchema of their own.',
  },
  ERR_KUBE_TIMEOUT: { meaning: 'The API server did not answer in time.', remedy: 'It is tried again.' },
  ERR_KUBE_UNAUTHORIZED: {
    meaning: 'The API server does not accept the token.',
    remedy: 'It is read from its file anew. Repeated, the ServiceAccount was deleted or the clocks differ.',
  },
  ERR_KUBE_UNAVAILABLE: { meaning: 'The API server failed on a request.', remedy: 'It is tried again.' },
  ERR_KUBE_UNREACHABLE: {
    meaning: 'No connection to the API server.',
    remedy: 'Streams, recordings and uploads go on meanwhile. Check the network and NetworkPolicies.',
  },
  ERR_LIMIT_PENDING_PER_ADDRESS: {
    meaning:
      'One address holds `limits.pendingPerAddress` connections that have not been accepted as publisher or viewer yet; further ones are closed at once.',
    remedy: 'Raise the limit where many clients share an address behind a proxy.',
  },
  ERR_LIMIT_SESSIONS_PER_ADDRESS: {
    meaning: 'One address has `limits.sessionsPerAddress` publishers and viewers.',
    remedy: 'Raise the limit, or set it to 0 for none.',
  },
  ERR_LISTEN: {
    meaning: 'A listener cannot be opened.',
    remedy: 'The message says why: the port is taken, needs more rights, or the address is not of this machine.',
  },
  ERR_MANIFEST_INVALID: {
    meaning: 'A manifest or `recording.json` in the store cannot be read.',
    remedy: 'It is written anew from the journal. Repeated, it means that something else writes to the same prefix.',
  },
  ERR_PATH_BUSY: {
    meaning: 'Somebody else publishes on the path.',
    remedy: 'Stop the other publisher, use another stream key, or see `--on-duplicate`.',
  },
  ERR_PUBLISHER_NO_MEDIA: {
    meaning: 'A publisher was connected but sent no media for `limits.publisherMedia`.',
    remedy: 'Look at the encoder: it runs but has no input.',
  },
  ERR_PUBLISHER_READ_TIMEOUT: {
    meaning: 'A publisher sent nothing at all for `limits.publisherRead`.',
    remedy: 'Look at the network between encoder and server.',
  },
  ERR_RECORD_OVERLOAD: {
    meaning: 'The disk did not keep up, and `record.queueBytes` of one stream were waiting for it.',
    remedy: 'The stretch that is not recorded is declared as a gap. Use a faster disk, or record less on it.',
  },
  ERR_RTMP_HANDSHAKE_TIMEOUT: {
    meaning: 'A connection did not finish the RTMP handshake within `limits.handshake`.',
    remedy: 'Port scanners and health checks by bare TCP cause it; they do no harm.',
  },
  ERR_RTMP_REQUEST_TIMEOUT: {
    meaning: 'A connection asked neither to publish nor to play within `limits.request`.',
    remedy: 'Look at the client: it connects and then waits.',
  },
  ERR_SPOOL_CLOSED: { meaning: 'A publication was to be recorded while the server stops.', remedy: 'Nothing to do.' },
  ERR_SPOOL_FULL: {
    meaning: 'The spool is full and `--on-full` is `StopRecording`.',
    remedy: 'Make room, raise `--spool-max-bytes`, or bring the store back; recording resumes by itself.',
  },
  ERR_SPOOL_JOURNAL: {
    meaning: 'The journal of a publication in the spool does not begin as it must.',
    remedy:
      'The recovery scan sets the publication aside and goes on; the files are kept. A damaged disk is the likely cause.',
  },
  ERR_SPOOL_LOCKED: {
    meaning: 'Another process uses the same spool directory.',
    remedy: 'Stop it, or give this one another directory with `--spool DIR`.',
  },
  ERR_SPOOL_SEGMENT: { meaning: 'A segment was asked for that the spool does not hold.', remedy: OURS },
  ERR_SPOOL_UNWRITABLE: {
    meaning: 'The spool directory cannot be written: no room, read-only, or the rights of another user.',
    remedy:
      'Live viewing goes on, what is not recorded is declared, and recording resumes by itself when the cause is gone. The message says what to change.',
  },
  ERR_SRT_GAVE_UP: {
    meaning: 'An SRT caller that had to wait for its answer stopped asking.',
    remedy:
      'Callers wait 3 s by themselves; a longer connect timeout there helps where a publisher is held for longer.',
  },
  ERR_SRT_IDLE: {
    meaning: 'Nothing came from an SRT peer for `srt.idleTimeout`: it is gone, or its network is.',
    remedy: 'Look at the peer and the network between; SRT peers send a sign of life every second.',
  },
  ERR_SRT_PASSPHRASE_FILE: {
    meaning: 'The file of `--srt-passphrase-file` cannot be read, or a passphrase in it could not be used.',
    remedy:
      'The message says where: it is a JSON object, path → passphrase or `{current, previous, previousExpiresAt}`, 10 to 79 bytes each. While the server runs, what was read before stays in force.',
  },
  ERR_SRT_STOPPING: {
    meaning: 'An SRT caller came while the server stops.',
    remedy: 'Try again when it has started.',
  },
  ERR_STORE_ACCESS: {
    meaning: 'The store refuses the credentials, or the credentials cannot be read.',
    remedy: `Put them right; a credentials file is read anew without a restart. ${UPLOAD_WAITS}`,
  },
  ERR_STORE_CHANGED: {
    meaning: 'A manifest or playlist in the store was written by somebody else in the meantime.',
    remedy: 'It is read anew and written again; repeated, it means that two servers write to the same prefix.',
  },
  ERR_STORE_CHECKSUM: {
    meaning: 'What arrived in the store, or what lies in the spool, is not what was recorded.',
    remedy:
      'Damaged on the way, it is sent again; damaged on disk, its whole fragments are kept and the rest is declared missing. Check the disk and the memory.',
  },
  ERR_STORE_CONFLICT: {
    meaning: 'Another object has the name of a segment.',
    remedy: 'The next free name is taken and the manifest follows: nothing is overwritten.',
  },
  ERR_STORE_FULL: { meaning: 'The store has no room.', remedy: `Make room. ${UPLOAD_WAITS}` },
  ERR_STORE_NO_BUCKET: {
    meaning: 'The bucket of `--store` does not exist.',
    remedy: `Create it, or name the right one. ${UPLOAD_WAITS}`,
  },
  ERR_STORE_REFUSED: {
    meaning: 'The store refuses a request for good.',
    remedy: `The log line has the store's own words. ${UPLOAD_WAITS}`,
  },
  ERR_STORE_SLOW_DOWN: { meaning: 'The store asks for fewer requests.', remedy: UPLOAD_WAITS },
  ERR_STORE_TIMEOUT: {
    meaning: 'The store did not answer within `store.s3.requestTimeout`.',
    remedy: UPLOAD_WAITS,
  },
  ERR_STORE_UNAVAILABLE: { meaning: 'The store answers that it cannot serve now.', remedy: UPLOAD_WAITS },
  ERR_STORE_UNKNOWN: {
    meaning: 'Segments wait for a store that no stream names any more, so nobody knows the credentials for it.',
    remedy: `Name the store in the LiveStream again until they are stored. ${UPLOAD_WAITS}`,
  },
  ERR_STORE_UNREACHABLE: {
    meaning: 'No connection to the store.',
    remedy: `Check \`--s3-endpoint\` and the network. ${UPLOAD_WAITS}`,
  },
  ERR_STORE_UNSUPPORTED: {
    meaning: 'The store cannot do conditional writes, and `store.s3.conditionalWrites` is `required`.',
    remedy: 'Use a store that can, or set it to `auto`.',
  },
  ERR_POD_REFUSED: {
    meaning: 'An ingest pod did not answer the operator with its report.',
    remedy: 'Its log says why; with 401, the Secret `relay-key` of the runtime namespace was changed a moment ago.',
  },
  ERR_POD_RELAY_KEY: {
    meaning: 'The runtime namespace has no Secret `relay-key`, by which operator and pods know each other.',
    remedy: 'The chart makes it: `helm upgrade` puts it back.',
  },
  ERR_POD_REPORT: {
    meaning: 'The report of an ingest pod cannot be read, or is that of another pod.',
    remedy: 'Operator and pods should be of the same release; while pods are replaced, it goes away by itself.',
  },
  ERR_POD_SILENT: {
    meaning: 'An ingest pod said nothing to the operator for half a minute.',
    remedy: 'It is asked again. Repeated, look at the pod and at network policies between the two.',
  },
  ERR_POOL_TAKEN: {
    meaning: 'Another Helm release serves a pool of this name; the message says which.',
    remedy: 'Give this release another `pool.name`.',
  },
  ERR_STREAMS_DIR: {
    meaning: 'The directory of `--streams` cannot be read.',
    remedy: 'Check its name and its permissions.',
  },
  ERR_STREAMS_FILE: {
    meaning: 'Something in a file of `--streams` cannot be obeyed; what was in force before stays in force.',
    remedy: 'The log line says where it is, and what to write instead.',
  },
  ERR_STREAMS_STATE: {
    meaning: 'What `--streams` remembers over restarts (`.streams/state.json` in the spool) cannot be read.',
    remedy:
      'Put the file right, or remove it: then streams get new generated keys, and recordings made before count as those of other streams.',
  },
  ERR_STREAM_CONFIG: {
    meaning: 'The configuration of a stream cannot be read or obeyed by this pod; the one before stays in force.',
    remedy:
      'The status of the LiveStream says why. A pod older than its operator is the likely cause: finish the upgrade.',
  },
  ERR_STREAM_NOT_FOUND: {
    meaning: 'The API was asked for a path that has neither publisher nor viewers.',
    remedy: 'Paths are `app/name`, as in the publish URL.',
  },
  ERR_TLS_FILES: {
    meaning: 'Certificate or key cannot be read, or do not belong together.',
    remedy: 'Check `--tls-cert` and `--tls-key`. While the server runs, the old certificate stays in force.',
  },
  ERR_TLS_HANDSHAKE: {
    meaning: 'A connection to the RTMPS port failed in its TLS handshake.',
    remedy: 'The client does not trust the certificate, or speaks plain RTMP to this port.',
  },
  ERR_UPLOAD: {
    meaning: 'An attempt to store something failed for a reason that has no code of its own; the log line has it.',
    remedy: UPLOAD_WAITS,
  },
  ERR_UPLOAD_SOURCE: {
    meaning: 'A segment in the spool cannot be read.',
    remedy: 'Check the disk; the segment is tried again.',
  },
  ERR_VIEWER_STALLED: {
    meaning: 'A viewer read nothing for `viewer.evictAfter` and was closed.',
    remedy: 'Look at its network, or lower the bit rate of the stream.',
  },
};
