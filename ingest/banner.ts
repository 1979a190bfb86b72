import { formatListenAddress, isLoopback, type ListenAddress } from './config/listen-address.ts';
import type { Config } from './config/schema.ts';
import { parseStoreUrl } from './config/store-url.ts';

/** Ports that were opened, by listener; absent where it is off. They differ from the settings where those say 0. */
export interface OpenPorts {
  readonly rtmp?: number;
  readonly rtmps?: number;
  /** UDP. */
  readonly srt?: number;
  readonly http?: number;
}

/** What a person at the terminal needs to know after the start: lines to paste, where recordings go, who may come in. */
export function banner(config: Config, ports: OpenPorts, version: string): string {
  const { rtmp, rtmps, srt, http } = config;
  const bases = [baseUrl('rtmp', rtmp.listen, ports.rtmp), baseUrl('rtmps', rtmps.listen, ports.rtmps)].filter(
    (url) => url !== undefined,
  );
  const first = bases[0];
  const overSrt = baseUrl('srt', srt.listen, ports.srt);
  const flv = baseUrl('http', http.listen, ports.http);
  const lines = [`Headwater ${version}`, ''];
  if (config.streams.dir !== null) return `${[...lines, ...streamLines(config, first, flv)].join('\n')}\n`;
  lines.push('  Publish');
  for (const url of bases) lines.push(`    OBS         Server ${url}/live   Stream key test`);
  if (first !== undefined) lines.push(`    ffmpeg      ffmpeg -re -i input.mp4 -c copy -f flv ${first}/live/test`);
  if (overSrt !== undefined) {
    const url = `${overSrt}?streamid=publish:live/test${secretOf(config)}`;
    lines.push(`    SRT         ffmpeg -re -i input.mp4 -c copy -f mpegts '${url}'`);
  }
  lines.push('', '  Watch');
  if (first !== undefined)
    lines.push(`    ffplay      ffplay ${first}/live/test`, `    VLC         vlc ${first}/live/test`);
  if (overSrt !== undefined) {
    lines.push(`    SRT         ffplay '${overSrt}?streamid=read:live/test${secretOf(config)}'`);
  }
  if (flv !== undefined) lines.push(`    HTTP-FLV    ${flv}/live/test.flv`, `    State       ${flv}/api/v1/streams`);
  lines.push('', ...recordingLines(config));
  const open = openToOthers(config);
  if (open.length > 0) {
    const advice = open.map(([flag, port]) => `--${flag} localhost:${port}`).join(' ');
    lines.push('', `  Anyone who can reach this machine may publish and watch. To keep it to yourself: ${advice}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Where it is reached from this machine: `rtmp://localhost:1935`; undefined where it is off. */
export function baseUrl(scheme: string, address: ListenAddress | null, port: number | undefined): string | undefined {
  if (address === null || port === undefined) return undefined;
  const host = address.host === undefined || ['::', '0.0.0.0'].includes(address.host) ? 'localhost' : address.host;
  return `${scheme}://${formatListenAddress({ host, port })}`;
}

/** Only configured streams are served: what to publish to is in the Secrets, or in the files that stand for them. */
function streamLines({ streams, spool }: Config, rtmp: string | undefined, flv: string | undefined): string[] {
  const lines = [
    `  Streams       ${streams.dir}/*.yaml`,
    `  Keys          ${spool.dir}/.streams/NAMESPACE.NAME-ingest.yaml`,
  ];
  if (rtmp !== undefined) lines.push(`  Publish       Server ${rtmp}/NAMESPACE   Stream key NAME?key=KEY`);
  if (rtmp !== undefined) lines.push(`  Watch         ffplay ${rtmp}/NAMESPACE/NAME`);
  if (flv !== undefined) lines.push(`  State         ${flv}/api/v1/streams`);
  return lines;
}

/** Where callers need a passphrase; it is not shown itself. */
function secretOf({ srt }: Config): string {
  const isEncrypted = srt.encryption !== 'Disabled' && (srt.passphrase !== null || srt.passphraseFile !== null);
  return isEncrypted ? `&passphrase=…&pbkeylen=${srt.keyLength}` : '';
}

function recordingLines({ record, store, spool }: Config): string[] {
  if (!record.all) return ['  Recordings    off (--record-all)'];
  const location = parseStoreUrl(store.url);
  const where = location.kind === 'file' ? location.dir : store.url;
  const lines = [`  Recordings    ${where}/live/test/…`];
  if (record.segmentPattern !== null) lines[0] = `  Recordings    ${where}/${record.segmentPattern}`;
  else if (record.layout === 'flat') lines[0] = `  Recordings    ${where}/live_test_…`;
  if (location.kind === 's3') lines.push(`    on their way  ${spool.dir}`);
  return lines;
}

/** Nobody comes in over SRT without the passphrase. */
function needsPassphrase({ encryption, passphrase, paths }: Config['srt']): boolean {
  const isOpen = [...paths.values()].some((own) => own.encryption !== undefined && own.encryption !== 'Required');
  return passphrase !== null && (encryption ?? 'Required') === 'Required' && !isOpen;
}

/** Listeners that other machines can reach: flag and port. */
function openToOthers({ rtmp, rtmps, srt, http }: Config): [flag: string, port: number][] {
  const listeners: [string, ListenAddress | null][] = [
    ['listen', rtmp.listen],
    ['tls-listen', rtmps.listen],
    ['srt-listen', needsPassphrase(srt) ? null : srt.listen],
    ['http-listen', http.listen],
  ];
  return listeners.flatMap(([flag, address]) => {
    return address === null || isLoopback(address) ? [] : [[flag, address.port] as [string, number]];
  });
}
