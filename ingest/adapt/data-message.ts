import type { MetadataEvent } from '../media/media-event.ts';
import { EcmaArray } from '../protocol/rtmp/amf-value.ts';
import { encodeAmf0, parseAmf0Prefix } from '../protocol/rtmp/amf0.ts';

/** A data message that describes the stream, or one to be passed on as it is (without `@setDataFrame`). */
export type DataMessage = MetadataEvent | { readonly kind: 'opaque'; readonly data: Buffer };

const SET = '@setDataFrame';
const CLEAR = '@clearDataFrame';
const METADATA = 'onMetaData';
/** What no message may hold, whatever its name: players who read it on would come to grief. */
const BOMBS: readonly string[] = ['ERR_AMF_TOO_DEEP', 'ERR_AMF_TOO_MANY'];
/** Marker, two length bytes and the name: what `@setDataFrame` takes in front of a message. */
const SET_BYTES = 3 + SET.length;

/**
 * Reads a data message of a publisher. Metadata is encoded anew: as an ECMA array, the only form ffmpeg looks into, and with the end that
 * some encoders forget; all values stay. @throws ProtocolError ERR_AMF_… where the name or the metadata cannot be read, and for bombs.
 */
export function readDataMessage(body: Buffer): DataMessage {
  const { values, fault } = parseAmf0Prefix(body);
  if (fault && (values.length === 0 || BOMBS.includes(fault.code))) throw fault;
  const isSet = values[0] === SET;
  const [name, value] = isSet ? values.slice(1) : values;
  if (name === METADATA && value instanceof Map) return encodeMetadata(value);
  if (name === METADATA && fault) throw fault;
  if (name === CLEAR) return encodeMetadata(new Map());
  return { kind: 'opaque', data: isSet ? body.subarray(SET_BYTES) : body };
}

/** The stream's description with these values. */
export function encodeMetadata(values: ReadonlyMap<string, unknown>): MetadataEvent {
  return { kind: 'metadata', values, body: encodeAmf0(METADATA, new EcmaArray(values as EcmaArray)) };
}
