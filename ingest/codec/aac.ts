import { BitReader } from '../bytes/bit-reader.ts';
import { attempt } from './attempt.ts';

const SAMPLE_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
/** Channels by channelConfiguration (ISO 14496-3 table 1.19); 0: told by a program config element. */
const CHANNELS = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8];

const AOT_SBR = 5;
const AOT_PS = 29;
const AOT_LD = 23;
const AOT_ELD = 39;
/** Object types whose configuration is a GASpecificConfig (ISO 14496-3 §1.6.2.1). */
const GENERAL_AUDIO = new Set([1, 2, 3, 4, 6, 7, 17, 19, 20, 21, 22, AOT_LD]);
const SYNC_SBR = 0x2b7;
const SYNC_PS = 0x548;

/** What an AudioSpecificConfig says (ISO 14496-3 §1.6.2.1). */
export interface AacConfig {
  /** Audio object type of the whole stream: 2 LC, 5 HE-AAC, 29 HE-AAC v2, … */
  readonly objectType: number;
  /** Hz and channels as they come out of the decoder: with HE-AAC twice the core's rate, with parametric stereo 2 channels. */
  readonly sampleRate: number;
  readonly channels: number;
  /** Samples in a frame, at `sampleRate`. */
  readonly frameSamples: number;
}

/** Parses an AudioSpecificConfig; undefined where it is cut short or its rate is reserved. */
export function parseAacConfig(record: Buffer): AacConfig | undefined {
  return attempt(() => readConfig(new BitReader(record)));
}

function readConfig(r: BitReader): AacConfig | undefined {
  const first = readObjectType(r);
  const coreRate = readRate(r);
  const channelConfiguration = r.bits(4);
  let extension = first === AOT_SBR || first === AOT_PS ? { rate: readRate(r), hasPs: first === AOT_PS } : undefined;
  const core = extension ? readObjectType(r) : first;
  if (core === 22 && extension) r.skip(4);
  let channels = CHANNELS[channelConfiguration] ?? 0;
  let coreSamples = core === AOT_LD || core === AOT_ELD ? 512 : 1024;
  if (GENERAL_AUDIO.has(core)) {
    if (r.flag()) coreSamples = core === AOT_LD ? 480 : 960;
    if (r.flag()) r.skip(14); // core coder delay
    r.skip(1);
    if (channelConfiguration === 0) channels = readProgramChannels(r);
    extension ??= attempt(() => findSyncExtension(r));
  } else if (core === AOT_ELD) {
    coreSamples = r.flag() ? 480 : 512;
  }
  if (coreRate === undefined || (extension && extension.rate === undefined)) return undefined;
  const sampleRate = extension?.rate ?? coreRate;
  return {
    objectType: extension ? (extension.hasPs ? AOT_PS : AOT_SBR) : core,
    sampleRate,
    channels: extension?.hasPs ? 2 : channels,
    frameSamples: Math.round((coreSamples * sampleRate) / coreRate),
  };
}

function readObjectType(r: BitReader): number {
  const type = r.bits(5);
  return type === 31 ? 32 + r.bits(6) : type;
}

function readRate(r: BitReader): number | undefined {
  const index = r.bits(4);
  const rate = index === 15 ? r.bits(24) : SAMPLE_RATES[index];
  return rate === 0 ? undefined : rate;
}

/** HE-AAC that old decoders take for LC: the extension stands behind the core's configuration (ISO 14496-3 §1.6.6.1). */
function findSyncExtension(r: BitReader): { rate: number | undefined; hasPs: boolean } | undefined {
  if (r.bits(11) !== SYNC_SBR || readObjectType(r) !== AOT_SBR || !r.flag()) return undefined;
  const rate = readRate(r);
  const hasPs = attempt(() => r.bits(11) === SYNC_PS && r.flag()) ?? false;
  return rate === undefined ? undefined : { rate, hasPs };
}

/** Channels of a program_config_element (ISO 14496-3 §4.4.1.1). */
function readProgramChannels(r: BitReader): number {
  r.skip(10);
  const front = r.bits(4);
  const side = r.bits(4);
  const back = r.bits(4);
  const lfe = r.bits(2);
  const data = r.bits(3);
  const coupling = r.bits(4);
  for (const width of [4, 4, 3]) if (r.flag()) r.skip(width); // mixdown hints
  let channels = lfe;
  for (let i = 0; i < front + side + back; i++) {
    channels += r.flag() ? 2 : 1;
    r.skip(4);
  }
  r.skip(4 * (lfe + data) + 5 * coupling);
  return channels;
}

const NAMES = new Map([
  [1, 'Main'],
  [2, 'LC'],
  [3, 'SSR'],
  [4, 'LTP'],
  [AOT_SBR, 'HE-AAC'],
  [AOT_PS, 'HE-AAC v2'],
  [AOT_LD, 'LD'],
  [AOT_ELD, 'ELD'],
  [42, 'xHE-AAC'],
]);

/** The profile as people call it: `LC`, `HE-AAC`. */
export function aacProfileName(config: AacConfig): string {
  return NAMES.get(config.objectType) ?? `object type ${config.objectType}`;
}
