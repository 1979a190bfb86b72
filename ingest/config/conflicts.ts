import type { SettingKey } from './flags.ts';
import { SETTINGS } from './flags.ts';
import { formatListenAddress, type ListenAddress, listenersClash } from './listen-address.ts';
import type { Settings } from './schema.ts';

/** Settings that contradict each other, each as a sentence that says what to do. `isSet`: someone wrote it, in whatever place. */
export function findConflicts(settings: Settings, isSet: (key: SettingKey) => boolean): string[] {
  return [
    ...tlsConflicts(settings),
    ...listenConflicts(settings),
    ...streamConflicts(settings, isSet),
    ...srtConflicts(settings),
    ...recordConflicts(settings, isSet),
    ...storeConflicts(settings),
    ...orderConflicts(settings),
  ];
}

function tlsConflicts({ rtmps }: Settings): string[] {
  if (rtmps.listen === null) {
    const lone = rtmps.cert !== null ? 'rtmps.cert' : rtmps.key !== null ? 'rtmps.key' : undefined;
    return lone === undefined
      ? []
      : [`${named(lone)} is set, but RTMPS is off: set ${named('rtmps.listen')} too, or remove it`];
  }
  const missing = (['cert', 'key'] as const)
    .filter((part) => rtmps[part] === null)
    .map((part) => named(`rtmps.${part}`));
  return missing.length === 0
    ? []
    : [`${named('rtmps.listen')} is set, so RTMPS needs ${missing.join(' and ')} as well`];
}

function listenConflicts({ rtmp, rtmps, srt, http, metrics }: Settings): string[] {
  const conflicts: string[] = [];
  if (rtmp.listen === null && rtmps.listen === null && srt.listen === null && srt.ports.length === 0) {
    const all = `${named('rtmp.listen')}, ${named('rtmps.listen')} and ${named('srt.listen')}`;
    conflicts.push(`${all} are all off, so nobody could publish: set one`);
  }
  const listeners: [SettingKey, ListenAddress | null][] = [
    ['rtmp.listen', rtmp.listen],
    ['rtmps.listen', rtmps.listen],
    ['http.listen', http.listen],
    ['metrics.listen', metrics.listen],
  ];
  for (const [i, [key, address]] of listeners.entries()) {
    for (const [otherKey, other] of listeners.slice(i + 1)) {
      if (address !== null && other !== null && listenersClash(address, other)) {
        conflicts.push(
          `${named(key)} and ${named(otherKey)} both want ${formatListenAddress(other)}: give one another port`,
        );
      }
    }
  }
  return conflicts;
}

function streamConflicts({ streams, cluster, metrics }: Settings, isSet: (key: SettingKey) => boolean): string[] {
  const conflicts: string[] = [];
  const isInCluster = cluster.mode === 'kubernetes';
  if ((streams.dir !== null || isInCluster) && isSet('record.all')) {
    conflicts.push(
      `${named('record.all')} is set, but each LiveStream says whether it is recorded: remove it, or set spec.recording.enabled`,
    );
  }
  if (!isInCluster) return conflicts;
  if (streams.dir !== null) {
    conflicts.push(
      `${named('streams.dir')} and cluster.mode kubernetes both say which streams there are: remove one of them`,
    );
  }
  const missing = (['namespace', 'podName', 'podIp'] as const).filter((part) => cluster[part] === null);
  if (missing.length > 0) {
    const names = missing.map((part) => `cluster.${part}`).join(', ');
    conflicts.push(`cluster.mode is kubernetes, which needs ${names} as well`);
  }
  if (metrics.listen === null) {
    conflicts.push(`${named('metrics.listen')} is off, but the operator asks a pod there: set it to :9090`);
  }
  return conflicts;
}

function srtConflicts({ srt }: Settings): string[] {
  const conflicts: string[] = [];
  const listeners = [
    ...(srt.listen === null ? [] : [{ name: named('srt.listen'), address: srt.listen }]),
    ...srt.ports.map(({ listen, path }) => ({ name: `srt.ports for ${path}`, address: listen })),
  ];
  for (const [i, { name, address }] of listeners.entries()) {
    const other = listeners.slice(i + 1).find((later) => listenersClash(address, later.address));
    if (other !== undefined) {
      conflicts.push(
        `${name} and ${other.name} both want ${formatListenAddress(other.address)}: give one another port`,
      );
    }
  }
  if (srt.passphrase === null && srt.passphraseFile === null) {
    const [path] = [...srt.paths].find(([, { encryption }]) => encryption === 'Required') ?? [];
    const who = srt.encryption === 'Required' ? 'srt.encryption' : path && `srt.paths ${path}: encryption`;
    if (who !== undefined) {
      const ways = `${named('srt.passphrase')} or ${named('srt.passphraseFile')}`;
      conflicts.push(`${who} is Required, but there is no passphrase, so nobody could come: set ${ways}`);
    }
  }
  return conflicts;
}

function recordConflicts({ record }: Settings, isSet: (key: SettingKey) => boolean): string[] {
  const conflicts: string[] = [];
  if (record.layout === 'flat' && record.segmentPattern !== null) {
    conflicts.push(
      `${named('record.layout')} flat and ${named('record.segmentPattern')} both name the segments: remove one of them`,
    );
  }
  if (record.format === 'flv' && isSet('record.segmentTimeline') && record.segmentTimeline === 'recording') {
    conflicts.push(
      `${named('record.segmentTimeline')} recording needs fragmented MP4, as each FLV file counts from its own start: remove it, or set ${named('record.format')} fmp4`,
    );
  }
  if (record.fragmentMinimum > record.fragmentDuration) {
    conflicts.push('record.fragmentMinimum is longer than record.fragmentDuration: make it shorter');
  }
  return conflicts;
}

function storeConflicts({ store }: Settings): string[] {
  const { s3 } = store;
  const conflicts: string[] = [];
  if (!store.url.startsWith('s3://') && s3.endpoint !== null) {
    conflicts.push(
      `${named('store.s3.endpoint')} is set, but recordings go to ${store.url}: set ${named('store.url')} s3://BUCKET/PREFIX, or remove it`,
    );
  }
  if ((s3.accessKeyId === null) !== (s3.secretAccessKey === null)) {
    conflicts.push('store.s3.accessKeyId and store.s3.secretAccessKey belong together: set both, or neither');
  }
  if (s3.accessKeyId !== null && s3.credentialsFile !== null) {
    conflicts.push('store.s3.credentialsFile and store.s3.accessKeyId both give credentials: remove one of them');
  }
  return conflicts;
}

function orderConflicts({ spool, upload, limits }: Settings): string[] {
  const pairs: [string, number, string, number][] = [
    ['spool.warnAt', spool.warnAt, 'spool.fullAt', spool.fullAt],
    ['upload.retryMin', upload.retryMin, 'upload.retryMax', upload.retryMax],
    ['limits.chunkSizeMin', limits.chunkSizeMin, 'limits.chunkSizeMax', limits.chunkSizeMax],
  ];
  return pairs
    .filter(([, low, , high]) => low > high)
    .map(([low, , high]) => `${low} is above ${high}: make it smaller`);
}

/** How a person would write it: the flag where there is one. */
function named(key: SettingKey): string {
  const { flag } = SETTINGS[key];
  return flag === undefined ? key : `--${flag}`;
}
