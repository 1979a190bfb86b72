/** What test clients say and hear in AMF0: numbers, strings, booleans, null, undefined, objects, arrays. */
export type Amf = number | string | boolean | null | undefined | readonly Amf[] | { readonly [key: string]: Amf };

/** Several values in AMF0, as commands carry them. */
export function encodeAmf(...values: readonly Amf[]): Buffer {
  return Buffer.concat(values.map(encodeValue));
}

/**
 * All values of an AMF0 body.
 * @throws Error on a marker that no server should send to a client, RangeError when it is cut short.
 */
export function decodeAmf(body: Buffer): Amf[] {
  const values: Amf[] = [];
  for (let at = 0; at < body.length; ) {
    const [value, next] = decodeValue(body, at);
    values.push(value);
    at = next;
  }
  return values;
}

function encodeValue(value: Amf): Buffer {
  if (typeof value === 'number') {
    const out = Buffer.alloc(9);
    out.writeDoubleBE(value, 1);
    return out;
  }
  if (typeof value === 'boolean') return Buffer.from([1, value ? 1 : 0]);
  if (typeof value === 'string') return Buffer.concat([Buffer.from([2]), encodeText(value)]);
  if (value === null) return Buffer.from([5]);
  if (value === undefined) return Buffer.from([6]);
  if (Array.isArray(value)) {
    const head = Buffer.from([10, 0, 0, 0, 0]);
    head.writeUInt32BE(value.length, 1);
    return Buffer.concat([head, ...value.map(encodeValue)]);
  }
  const fields = Object.entries(value).flatMap(([key, field]) => [encodeText(key), encodeValue(field)]);
  return Buffer.concat([Buffer.from([3]), ...fields, Buffer.from([0, 0, 9])]);
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(2);
  head.writeUInt16BE(bytes.length);
  return Buffer.concat([head, bytes]);
}

function decodeValue(b: Buffer, at: number): [Amf, number] {
  const marker = b.readUInt8(at);
  switch (marker) {
    case 0:
      return [b.readDoubleBE(at + 1), at + 9];
    case 1:
      return [b.readUInt8(at + 1) !== 0, at + 2];
    case 2:
      return decodeText(b, at + 1);
    case 3:
      return decodeFields(b, at + 1);
    case 5:
      return [null, at + 1];
    case 6:
      return [undefined, at + 1];
    case 8:
      return decodeFields(b, at + 5);
    case 10: {
      const items: Amf[] = [];
      let next = at + 5;
      for (let left = b.readUInt32BE(at + 1); left > 0; left--) {
        const [item, end] = decodeValue(b, next);
        items.push(item);
        next = end;
      }
      return [items, next];
    }
    case 11:
      return [b.readDoubleBE(at + 1), at + 11];
    default:
      throw new Error(`AMF0 marker ${marker} at ${at}`);
  }
}

function decodeText(b: Buffer, at: number): [string, number] {
  const end = at + 2 + b.readUInt16BE(at);
  if (end > b.length) throw new RangeError(`string of ${end - at - 2} bytes at ${at}: only ${b.length} bytes`);
  return [b.toString('utf8', at + 2, end), end];
}

function decodeFields(b: Buffer, from: number): [Amf, number] {
  const fields: Record<string, Amf> = {};
  let at = from;
  while (b.readUIntBE(at, 3) !== 9) {
    const [key, valueAt] = decodeText(b, at);
    [fields[key], at] = decodeValue(b, valueAt);
  }
  return [fields, at + 3];
}
