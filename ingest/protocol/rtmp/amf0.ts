import { ByteReader, NeedMoreBytes } from '../../bytes/byte-reader.ts';
import { ByteWriter } from '../../bytes/byte-writer.ts';
import { ProtocolError } from '../protocol-error.ts';
import { AmfBudget, type AmfInput, AmfReferences, type AmfValue, EcmaArray, TypedObject } from './amf-value.ts';
import { readAmf3 } from './amf3.ts';

// AMF0 §2.1, type markers.
const NUMBER = 0x00;
const BOOLEAN = 0x01;
const STRING = 0x02;
const OBJECT = 0x03;
const NULL = 0x05;
const UNDEFINED = 0x06;
const REFERENCE = 0x07;
const ECMA_ARRAY = 0x08;
const OBJECT_END = 0x09;
const STRICT_ARRAY = 0x0a;
const DATE = 0x0b;
const LONG_STRING = 0x0c;
const UNSUPPORTED = 0x0d;
const XML_DOCUMENT = 0x0f;
const TYPED_OBJECT = 0x10;
const AVMPLUS = 0x11;

/** The longest short string, and key. */
const MAX_SHORT = 0xffff;

/**
 * All values of an AMF0 message body.
 * @throws ProtocolError ERR_AMF_TRUNCATED, ERR_AMF_UNSUPPORTED, ERR_AMF_TOO_DEEP, ERR_AMF_TOO_MANY.
 */
export function parseAmf0(body: Buffer): AmfValue[] {
  const { values, fault } = parseAmf0Prefix(body);
  if (fault) throw fault;
  return values;
}

/** The values before the first that can't be read, and what is wrong with that one: a command is often whole where its last argument is not. */
export function parseAmf0Prefix(body: Buffer): { values: AmfValue[]; fault: ProtocolError | undefined } {
  const reader = new Amf0Reader(body);
  const values: AmfValue[] = [];
  try {
    while (reader.hasMore()) values.push(reader.read());
  } catch (error) {
    if (error instanceof NeedMoreBytes) {
      return { values, fault: new ProtocolError('ERR_AMF_TRUNCATED', error.message, { cause: error }) };
    }
    if (error instanceof ProtocolError) return { values, fault: error };
    throw error;
  }
  return { values, fault: undefined };
}

class Amf0Reader {
  readonly #r: ByteReader;
  readonly #budget = new AmfBudget();
  readonly #references = new AmfReferences();

  constructor(body: Buffer) {
    this.#r = new ByteReader(body);
  }

  /** Skips object ends that belong to nothing: some encoders close an array that they have closed already. */
  hasMore(): boolean {
    const { bytes } = this.#r;
    for (;;) {
      if (this.#r.peek() === OBJECT_END) this.#r.skip(1);
      else if (this.#r.left === 3 && bytes.readUIntBE(this.#r.at, 3) === OBJECT_END) this.#r.skip(3);
      else return this.#r.left > 0;
    }
  }

  read(): AmfValue {
    const marker = this.#r.u8();
    this.#budget.spend(1, 0);
    switch (marker) {
      case NUMBER:
        return this.#r.f64();
      case BOOLEAN:
        return this.#r.u8() !== 0;
      case STRING:
        return this.#text(this.#r.u16());
      case NULL:
        return null;
      case UNDEFINED:
      case UNSUPPORTED:
        return undefined;
      case REFERENCE:
        return this.#references.get(this.#r.u16(), this.#budget);
      case OBJECT:
        return this.#entries(new Map());
      case ECMA_ARRAY:
        this.#r.skip(4); // the count is a hint that is often wrong
        return this.#entries(new EcmaArray());
      case TYPED_OBJECT:
        return this.#entries(new TypedObject(this.#text(this.#r.u16())));
      case STRICT_ARRAY:
        return this.#strictArray();
      case DATE: {
        const date = new Date(this.#r.f64());
        this.#r.skip(2); // time zone, reserved
        return date;
      }
      case LONG_STRING:
      case XML_DOCUMENT:
        return this.#text(this.#r.u32());
      case AVMPLUS:
        return readAmf3(this.#r, this.#budget);
      default:
        throw new ProtocolError('ERR_AMF_UNSUPPORTED', `AMF0 type ${marker} at byte ${this.#r.at - 1}`);
    }
  }

  #text(length: number): string {
    const text = this.#r.utf8(length);
    this.#budget.spend(0, length);
    return text;
  }

  /** Key, value … until an empty key before an object end. A body that ends where a key would stand is taken as ended. */
  #entries(into: Map<string, AmfValue>): AmfValue {
    const done = this.#references.begin(into, this.#budget);
    this.#budget.enter();
    while (this.#r.left > 0) {
      const key = this.#text(this.#r.u16());
      if (this.#r.peek() === OBJECT_END) {
        this.#r.skip(1);
        break;
      }
      if (key === '' && this.#r.left === 0) break;
      into.set(key, this.read());
    }
    this.#budget.leave();
    done();
    return into;
  }

  #strictArray(): AmfValue {
    const count = this.#r.u32();
    // Each value has a byte at least.
    if (count > this.#r.left) throw new NeedMoreBytes(`an array of ${count} values in ${this.#r.left} bytes`);
    const array: AmfValue[] = [];
    const done = this.#references.begin(array, this.#budget);
    this.#budget.enter();
    for (let i = 0; i < count; i += 1) array.push(this.read());
    this.#budget.leave();
    done();
    return array;
  }
}

/** An AMF0 message body of `values`. Maps and plain objects become objects, EcmaArray an ECMA array, each with its terminator. */
export function encodeAmf0(...values: readonly AmfInput[]): Buffer {
  const w = new ByteWriter();
  for (const value of values) writeAmf0(w, value);
  return w.finish();
}

function writeAmf0(w: ByteWriter, value: AmfInput): void {
  if (value === null) w.u8(NULL);
  else if (value === undefined) w.u8(UNDEFINED);
  else if (typeof value === 'number') w.u8(NUMBER).f64(value);
  else if (typeof value === 'boolean') w.u8(BOOLEAN).u8(value ? 1 : 0);
  else if (typeof value === 'string') writeText(w, value);
  else if (value instanceof Date) w.u8(DATE).f64(value.getTime()).u16(0);
  else if (Buffer.isBuffer(value)) w.u8(UNSUPPORTED);
  else if (isArray(value)) {
    w.u8(STRICT_ARRAY).u32(value.length);
    for (const item of value) writeAmf0(w, item);
  } else if (value instanceof Map) {
    if (value instanceof EcmaArray) w.u8(ECMA_ARRAY).u32(value.size);
    else if (value instanceof TypedObject) writeKey(w.u8(TYPED_OBJECT), value.className);
    else w.u8(OBJECT);
    writeEntries(w, value);
  } else {
    writeEntries(w.u8(OBJECT), Object.entries(value));
  }
}

/** `Array.isArray` does not narrow readonly arrays. */
function isArray(value: AmfInput): value is readonly AmfInput[] {
  return Array.isArray(value);
}

function writeText(w: ByteWriter, text: string): void {
  const length = Buffer.byteLength(text);
  if (length <= MAX_SHORT) w.u8(STRING).u16(length).utf8(text);
  else w.u8(LONG_STRING).u32(length).utf8(text);
}

function writeEntries(w: ByteWriter, entries: Iterable<readonly [string, AmfInput]>): void {
  for (const [key, value] of entries) writeAmf0(writeKey(w, key), value);
  w.u16(0).u8(OBJECT_END);
}

/** A key has no long form: what is longer is cut. */
function writeKey(w: ByteWriter, key: string): ByteWriter {
  const bytes = Buffer.from(key).subarray(0, MAX_SHORT);
  return w.u16(bytes.length).bytes(bytes);
}
