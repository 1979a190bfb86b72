import { formatListenAddress, isLoopback, type ListenAddress } from './config/listen-address.ts';
import type { Config } from './config/schema.ts';
import { parseStoreUrl } from './config/store-url.ts';

/** Ports that were opened, by listener; absent where it is off. They differ from the settings where those say 0. */
export interface OpenPorts {
  readonly rtmp?: number;
  readonly rtmps?: number;
  readonly http?: number;
}

/** What a person at the terminal needs to know after the start: lines to paste, where recordings go, who may come in. */
export function banner(config: Config, ports: OpenPorts, version: string): string {
  const { rtmp, rtmps, http } = config;
  const bases = [base('rtmp', rtmp.listen, ports.rtmp), base('rtmps', rtmps.listen, ports.rtmps)].filter(
    (url) => url !== undefined,
  );
  const first = bases[0];
  const flv = base('http', http.listen, ports.http);
  const lines = [`Headwater ${version}`, ''];
  if (first !== undefined) {
    lines.push('  Publish');
    for (const url of bases) lines.push(`    OBS         Server ${url}/live   Stream key test`);
    lines.push(`    ffmpeg      ffmpeg -re -i input.mp4 -c copy -f flv ${first}/live/test`, '', '  Watch');
    lines.push(`    ffplay      ffplay ${first}/live/test`, `    VLC         vlc ${first}/live/test`);
  }
  if (flv !== undefined) lines.push(`    HTTP-FLV    ${flv}/live/test.flv`, `    State       ${flv}/api/v1/streams`);
  lines.push('', ...recordingLines(config));
  if (isOpenToOthers([rtmp.listen, rtmps.listen, http.listen])) {
    lines.push(
      '',
      '  Anyone who can reach this machine may publish and watch. To keep it to yourself: --listen localhost:1935',
    );
    if (http.listen !== null) lines[lines.length - 1] += ' --http-listen localhost:8080';
  }
  return `${lines.join('\n')}\n`;
}

function base(scheme: string, address: ListenAddress | null, port: number | undefined): string | undefined {
  if (address === null || port === undefined) return undefined;
  const host = address.host === undefined || ['::', '0.0.0.0'].includes(address.host) ? 'localhost' : address.host;
  return `${scheme}://${formatListenAddress({ host, port })}`;
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

function isOpenToOthers(addresses: readonly (ListenAddress | null)[]): boolean {
  return addresses.some((address) => address !== null && !isLoopback(address));
}
