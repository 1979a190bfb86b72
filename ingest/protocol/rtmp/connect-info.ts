import type { AmfInput, AmfValue } from './amf-value.ts';
import { type Command, commandMessage } from './command.ts';
import type { OutgoingMessage } from './message.ts';

/** What a client said of itself in `connect` (RTMP 1.0 §7.2.1.1, E-RTMP v2 "Enhancing NetConnection connect Command"). */
export interface ConnectInfo {
  /** As sent: may hold a query, and in it secrets. */
  readonly app: string;
  /** As sent: may hold secrets. */
  readonly tcUrl: string;
  readonly flashVer: string;
  readonly objectEncoding: 0 | 3;
  /** FourCCs, or `*`, out of `fourCcList` and the two info maps. Empty where the client said nothing, which publishers of HEVC do too. */
  readonly fourCcList: readonly string[];
  /** E-RTMP bits: 1 reconnect, 2 multitrack, 4 ModEx, 8 nanosecond offsets. */
  readonly capsEx: number;
}

/** A client may list this many codecs. */
const MAX_FOURCCS = 64;

/** E-RTMP capsEx of this server: multitrack, ModEx, nanosecond offsets. */
const CAPS_EX = 2 | 4 | 8;
/** E-RTMP FourCcInfoMask: this server forwards media, it neither decodes nor encodes. */
const CAN_FORWARD = 4;
const VIDEO_FOURCCS = ['avc1', 'hvc1', 'vvc1', 'av01', 'vp09', 'vp08'];
const AUDIO_FOURCCS = ['mp4a', 'Opus', 'fLaC', 'ac-3', 'ec-3', '.mp3'];

/** The object of a `connect` command; undefined if it has none. */
export function parseConnect(command: Command): ConnectInfo | undefined {
  const { object } = command;
  if (!(object instanceof Map)) return undefined;
  const text = (name: string): string => {
    const value: AmfValue = object.get(name);
    return typeof value === 'string' ? value : '';
  };
  const capsEx: AmfValue = object.get('capsEx');
  return {
    app: text('app'),
    // Some clients write the name in lower case, or put the URL into quotes.
    tcUrl: (text('tcUrl') || text('tcurl')).replace(/^"(.*)"$/, '$1'),
    flashVer: text('flashVer'),
    objectEncoding: object.get('objectEncoding') === 3 ? 3 : 0,
    fourCcList: fourCcsOf(object),
    capsEx: typeof capsEx === 'number' && capsEx >= 0 && capsEx <= 0xffff_ffff ? Math.trunc(capsEx) : 0,
  };
}

function fourCcsOf(object: ReadonlyMap<string, AmfValue>): string[] {
  const found = new Set<string>();
  const add = (value: AmfValue): void => {
    if (typeof value === 'string' && value.length <= 4 && found.size < MAX_FOURCCS) found.add(value);
  };
  for (const name of ['fourCcList', 'videoFourCcInfoMap', 'audioFourCcInfoMap']) {
    const value: AmfValue = object.get(name);
    if (Array.isArray(value)) value.forEach(add);
    else if (value instanceof Map) for (const key of value.keys()) add(key);
  }
  return [...found];
}

/** The answer to `connect`. What E-RTMP adds stands in both objects: its text does not say in which, and clients look into either. */
export function connectResult(transactionId: number, info: ConnectInfo): OutgoingMessage {
  const enhanced: Readonly<Record<string, AmfInput>> = {
    fourCcList: [...VIDEO_FOURCCS, ...AUDIO_FOURCCS],
    videoFourCcInfoMap: Object.fromEntries(VIDEO_FOURCCS.map((fourCc) => [fourCc, CAN_FORWARD])),
    audioFourCcInfoMap: Object.fromEntries(AUDIO_FOURCCS.map((fourCc) => [fourCc, CAN_FORWARD])),
    capsEx: CAPS_EX,
  };
  return commandMessage(
    0,
    '_result',
    transactionId,
    { fmsVer: 'FMS/3,0,1,123', capabilities: 31, mode: 1, ...enhanced },
    {
      level: 'status',
      code: 'NetConnection.Connect.Success',
      description: 'Connection succeeded.',
      objectEncoding: info.objectEncoding,
      ...enhanced,
    },
  );
}
