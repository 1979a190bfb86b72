import { type ByteReader, NeedMoreBytes } from '../../bytes/byte-reader.ts';
import { ProtocolError } from '../protocol-error.ts';
import { type AmfBudget, AmfReferences, type AmfValue, EcmaArray, TypedObject } from './amf-value.ts';

// AMF3 §3.1, type markers.
const UNDEFINED = 0x00;
const NULL = 0x01;
const FALSE = 0x02;
const TRUE = 0x03;
const INTEGER = 0x04;
const DOUBLE = 0x05;
const STRING = 0x06;
const XML_DOCUMENT = 0x07;
const DATE = 0x08;
const ARRAY = 0x09;
const OBJECT = 0x0a;
const XML = 0x0b;
const BYTE_ARRAY = 0x0c;
const VECTOR_INT = 0x0d;
const VECTOR_UINT = 0x0e;
const VECTOR_DOUBLE = 0x0f;
const VECTOR_OBJECT = 0x10;
const DICTIONARY = 0x11;

/** AMF3 §3.12: what objects of one class have in common. */
interface Traits {
  readonly className: string;
  readonly isDynamic: boolean;
  readonly isExternalizable: boolean;
  readonly names: readonly string[];
  /** Bytes of class name and names: repeated by a short reference, they count again. */
  readonly textBytes: number;
}

/** Classes of Flex that are written as one AMF3 value of their own. Other externalizable classes have a form only they know. */
const WRAPPERS = new Set(['flex.messaging.io.ArrayCollection', 'flex.messaging.io.ObjectProxy']);

/**
 * One AMF3 value at the cursor, as the AMF0 marker 0x11 announces it. The reference tables live for this value only (AMF0 §3.1).
 * @throws NeedMoreBytes; ProtocolError ERR_AMF_UNSUPPORTED, ERR_AMF_TOO_DEEP, ERR_AMF_TOO_MANY.
 */
export function readAmf3(r: ByteReader, budget: AmfBudget): AmfValue {
  return new Amf3Reader(r, budget).read();
}

class Amf3Reader {
  readonly #r: ByteReader;
  readonly #budget: AmfBudget;
  readonly #objects = new AmfReferences();
  readonly #strings: { text: string; bytes: number }[] = [];
  readonly #traits: Traits[] = [];

  constructor(r: ByteReader, budget: AmfBudget) {
    this.#r = r;
    this.#budget = budget;
  }

  read(): AmfValue {
    const marker = this.#r.u8();
    this.#budget.spend(1, 0);
    switch (marker) {
      case UNDEFINED:
        return undefined;
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      case INTEGER:
        return (this.#u29() << 3) >> 3; // 29 bits, signed
      case DOUBLE:
        return this.#r.f64();
      case STRING:
        return this.#string();
      default:
        return this.#complex(marker);
    }
  }

  /** AMF3 §1.3.1: up to four bytes, seven bits each, the fourth with all eight. */
  #u29(): number {
    let value = 0;
    for (let i = 0; i < 3; i += 1) {
      const byte = this.#r.u8();
      value = (value << 7) | (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    return (value << 8) | this.#r.u8();
  }

  #string(): string {
    const head = this.#u29();
    if ((head & 1) === 0) {
      const known = this.#strings[head >> 1];
      if (!known)
        throw new ProtocolError('ERR_AMF_UNSUPPORTED', `reference ${head >> 1} to a string that is not there`);
      this.#budget.spend(0, known.bytes);
      return known.text;
    }
    const text = this.#text(head >> 1);
    if (text !== '') this.#strings.push({ text, bytes: head >> 1 }); // the empty string is never referred to
    return text;
  }

  #text(bytes: number): string {
    const text = this.#r.utf8(bytes);
    this.#budget.spend(0, bytes);
    return text;
  }

  /** Everything that goes into the table of objects: first a reference or a length. */
  #complex(marker: number): AmfValue {
    if (marker > DICTIONARY)
      throw new ProtocolError('ERR_AMF_UNSUPPORTED', `AMF3 type ${marker} at byte ${this.#r.at - 1}`);
    const head = this.#u29();
    this.#budget.enter();
    const value = (head & 1) === 0 ? this.#objects.get(head >> 1, this.#budget) : this.#inline(marker, head >> 1, head);
    this.#budget.leave();
    return value;
  }

  #inline(marker: number, length: number, head: number): AmfValue {
    switch (marker) {
      case DATE:
        return this.#keep(new Date(this.#r.f64()), 0);
      case XML:
      case XML_DOCUMENT:
        return this.#keep(this.#text(length), length);
      case BYTE_ARRAY: {
        const bytes = this.#r.view(length);
        this.#budget.spend(0, length);
        return this.#keep(Buffer.from(bytes), length);
      }
      case ARRAY:
        return this.#array(length);
      case OBJECT:
        return this.#object(head);
      case DICTIONARY:
        return this.#dictionary(length);
      default:
        return this.#vector(marker, length);
    }
  }

  #keep(value: AmfValue, textBytes: number): AmfValue {
    this.#objects.add(value, textBytes);
    return value;
  }

  /** AMF3 §3.11: named entries up to an empty name, then `length` dense ones. With names it becomes a map, the dense part by index. */
  #array(length: number): AmfValue {
    this.#atLeast(length, 1);
    const named = new EcmaArray();
    const dense: AmfValue[] = [];
    // Which of the two it is shows at the first name; until the end nothing may refer to it.
    const isNamed = this.#r.peek() !== 0x01;
    const done = this.#objects.begin(isNamed ? named : dense, this.#budget);
    for (let name = this.#string(); name !== ''; name = this.#string()) named.set(name, this.read());
    for (let i = 0; i < length; i += 1) {
      const value = this.read();
      if (isNamed) named.set(String(i), value);
      else dense.push(value);
    }
    done();
    return isNamed ? named : dense;
  }

  #object(head: number): AmfValue {
    const traits = this.#readTraits(head);
    const object = traits.className === '' ? new Map<string, AmfValue>() : new TypedObject(traits.className);
    if (traits.isExternalizable) {
      if (!WRAPPERS.has(traits.className)) {
        throw new ProtocolError('ERR_AMF_UNSUPPORTED', 'an externalizable class that is not known');
      }
      const done = this.#objects.begin(object, this.#budget);
      object.set('source', this.read());
      done();
      return object;
    }
    const done = this.#objects.begin(object, this.#budget);
    for (const name of traits.names) object.set(name, this.read());
    if (traits.isDynamic) {
      for (let name = this.#string(); name !== ''; name = this.#string()) object.set(name, this.read());
    }
    done();
    return object;
  }

  /**
   * AMF3 §3.12, the low bits of the U29 before an object:
   *   …index 01  traits by reference     …count D 0 11  traits follow, D: dynamic     … 1 11  externalizable
   */
  #readTraits(head: number): Traits {
    if ((head & 2) === 0) {
      const known = this.#traits[head >> 2];
      if (!known) throw new ProtocolError('ERR_AMF_UNSUPPORTED', `reference ${head >> 2} to traits that are not there`);
      this.#budget.spend(0, known.textBytes);
      return known;
    }
    const before = this.#budget.textBytes;
    const className = this.#string();
    const isExternalizable = (head & 4) !== 0;
    const count = isExternalizable ? 0 : head >> 4;
    this.#atLeast(count, 1);
    const names: string[] = [];
    for (let i = 0; i < count; i += 1) names.push(this.#string());
    const textBytes = this.#budget.textBytes - before;
    const traits = { className, isDynamic: (head & 8) !== 0, isExternalizable, names, textBytes };
    this.#traits.push(traits);
    return traits;
  }

  /** AMF3 §3.16. Keys may be anything: what is not a plain value gets a name by its place. */
  #dictionary(length: number): AmfValue {
    this.#atLeast(length, 2);
    this.#r.skip(1); // weak keys
    const dictionary = new Map<string, AmfValue>();
    const done = this.#objects.begin(dictionary, this.#budget);
    for (let i = 0; i < length; i += 1) {
      const key = this.read();
      dictionary.set(typeof key === 'object' && key !== null ? `[key ${i}]` : String(key), this.read());
    }
    done();
    return dictionary;
  }

  /** AMF3 §3.15. */
  #vector(marker: number, length: number): AmfValue {
    const width = marker === VECTOR_DOUBLE ? 8 : marker === VECTOR_OBJECT ? 1 : 4;
    this.#atLeast(length, width);
    this.#r.skip(1); // fixed length
    const vector: AmfValue[] = [];
    const done = this.#objects.begin(vector, this.#budget);
    if (marker === VECTOR_OBJECT)
      this.#string(); // the class of the items
    else this.#budget.spend(length, 0);
    for (let i = 0; i < length; i += 1) {
      if (marker === VECTOR_INT) vector.push(this.#r.i32());
      else if (marker === VECTOR_UINT) vector.push(this.#r.u32());
      else if (marker === VECTOR_DOUBLE) vector.push(this.#r.f64());
      else vector.push(this.read());
    }
    done();
    return vector;
  }

  /** A count of values is believed only as far as there are bytes for them. */
  #atLeast(count: number, width: number): void {
    if (count * width > this.#r.left) throw new NeedMoreBytes(`${count} values in ${this.#r.left} bytes`);
  }
}
