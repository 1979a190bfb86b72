import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AmfInput, type AmfValue, EcmaArray, TypedObject } from './amf-value.ts';
import { encodeAmf0, parseAmf0, parseAmf0Prefix } from './amf0.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** What is read from these bytes is written as these bytes. */
const BOTH_CASES: { name: string; bytes: string; values: AmfValue[] }[] = [
  { name: 'nothing', bytes: '', values: [] },
  { name: 'a number', bytes: '00 3ff0000000000000', values: [1] },
  { name: 'booleans', bytes: '01 01 01 00', values: [true, false] },
  { name: 'a string', bytes: '02 0003 e282ac', values: ['€'] },
  { name: 'null and undefined', bytes: '05 06', values: [null, undefined] },
  {
    name: 'an object',
    bytes: '03 0001 61 05 0000 01 01 000009',
    values: [
      new Map<string, AmfValue>([
        ['a', null],
        ['', true],
      ]),
    ],
  },
  { name: 'an ECMA array', bytes: '08 00000001 0001 61 05 000009', values: [new EcmaArray([['a', null]])] },
  { name: 'a strict array', bytes: '0a 00000002 05 06', values: [[null, undefined]] },
  { name: 'a date', bytes: '0b 408f400000000000 0000', values: [new Date(1000)] },
  { name: 'a long string', bytes: `0c 00010000 ${'61'.repeat(65_536)}`, values: ['a'.repeat(65_536)] },
  { name: 'a typed object', bytes: '10 0001 43 0001 61 05 000009', values: [typed('C', [['a', null]])] },
  {
    name: 'the beginning of connect',
    bytes: '02 0007 636f6e6e656374 00 3ff0000000000000 03 0003 617070 02 0004 6c697665 000009',
    values: ['connect', 1, new Map([['app', 'live']])],
  },
];

const READ_CASES: { name: string; bytes: string; values: AmfValue[] }[] = [
  {
    name: 'an ECMA array whose count is 0',
    bytes: '08 00000000 0001 61 05 000009',
    values: [new EcmaArray([['a', null]])],
  },
  {
    name: 'an ECMA array whose count is 2³²−1',
    bytes: '08 ffffffff 0001 61 05 000009',
    values: [new EcmaArray([['a', null]])],
  },
  { name: 'an object without a terminator', bytes: '03 0001 61 05', values: [new Map([['a', null]])] },
  { name: 'an object that ends in half a terminator', bytes: '03 0001 61 05 0000', values: [new Map([['a', null]])] },
  {
    name: 'an object that ends after a key',
    bytes: '03 0001 61 05 0001 62 09 05',
    values: [new Map([['a', null]]), null],
  },
  {
    name: 'an object end too many',
    bytes: '08 00000001 0001 61 05 000009 000009',
    values: [new EcmaArray([['a', null]])],
  },
  { name: 'a lone object end marker', bytes: '05 09 05', values: [null, null] },
  { name: 'a key twice', bytes: '03 0001 61 05 0001 61 0101 000009', values: [new Map([['a', true]])] },
  { name: 'bytes that are not UTF-8', bytes: '02 0002 ff61', values: ['\ufffda'] },
  { name: 'an XML document and unsupported', bytes: '0f 00000001 78 0d', values: ['x', undefined] },
  {
    name: 'a reference',
    bytes: '03 0001 61 05 000009 07 0000',
    values: [new Map([['a', null]]), new Map([['a', null]])],
  },
  {
    name: 'the key __proto__',
    bytes: '03 0009 5f5f70726f746f5f5f 05 000009',
    values: [new Map([['__proto__', null]])],
  },
];

const FAULTS: { name: string; bytes: string; code: string; before?: AmfValue[] }[] = [
  { name: 'half a number', bytes: '05 00 3ff0', code: 'ERR_AMF_TRUNCATED', before: [null] },
  { name: 'a string past the end', bytes: '02 0004 616161', code: 'ERR_AMF_TRUNCATED' },
  { name: 'a long string of 4 GB', bytes: '0c ffffffff 61', code: 'ERR_AMF_TRUNCATED' },
  { name: 'a strict array of 2³²−1', bytes: '0a ffffffff 05', code: 'ERR_AMF_TRUNCATED' },
  { name: 'an object that ends in a key', bytes: '03 0005 6161', code: 'ERR_AMF_TRUNCATED' },
  { name: 'a movie clip', bytes: '04', code: 'ERR_AMF_UNSUPPORTED' },
  { name: 'a record set', bytes: '0e', code: 'ERR_AMF_UNSUPPORTED' },
  { name: 'marker 0x12', bytes: '01 01 12', code: 'ERR_AMF_UNSUPPORTED', before: [true] },
  { name: 'a reference to nothing', bytes: '07 0000', code: 'ERR_AMF_UNSUPPORTED' },
  { name: 'a reference to what it stands in', bytes: '03 0001 61 07 0000 000009', code: 'ERR_AMF_UNSUPPORTED' },
  { name: 'objects nested 10,000 deep', bytes: `${'03 0001 61'.repeat(10_000)}05`, code: 'ERR_AMF_TOO_DEEP' },
  { name: 'arrays nested 33 deep', bytes: `${'0a 00000001'.repeat(33)}05`, code: 'ERR_AMF_TOO_DEEP' },
  { name: '70,000 nulls', bytes: `0a 00011170 ${'05'.repeat(70_000)}`, code: 'ERR_AMF_TOO_MANY' },
  {
    // Each array holds the one before ten times: 10⁶ values in 200 bytes.
    name: 'a small body that refers to itself many times over',
    bytes: `0a 00000001 05 ${[0, 1, 2, 3, 4, 5].map((n) => `0a 0000000a ${`07 000${n}`.repeat(10)}`).join('')}`,
    code: 'ERR_AMF_TOO_MANY',
  },
  {
    // Found by the fuzzer: each array is flat in the bytes, and one level deeper than the last for who walks it.
    name: 'nesting by references',
    bytes: `0a 00000001 05 ${Array.from({ length: 40 }, (_, n) => `0a 00000001 07 00${n.toString(16).padStart(2, '0')}`).join('')}`,
    code: 'ERR_AMF_TOO_DEEP',
  },
  {
    name: 'a long text referred to many times',
    bytes: `0a 00000001 0c 00010000 ${'61'.repeat(65_536)} ${'07 0000'.repeat(64)}`,
    code: 'ERR_AMF_TOO_MANY',
  },
];

function typed(className: string, entries: [string, AmfValue][]): TypedObject {
  const object = new TypedObject(className);
  for (const [key, value] of entries) object.set(key, value);
  return object;
}

describe('AMF0', () => {
  it.each(BOTH_CASES)('reads and writes $name', ({ bytes, values }) => {
    expect(parseAmf0(hex(bytes))).toEqual(values);
    expect(encodeAmf0(...values).toString('hex')).toBe(hex(bytes).toString('hex'));
  });

  it.each(READ_CASES)('reads $name', ({ bytes, values }) => {
    expect(parseAmf0(hex(bytes))).toEqual(values);
  });

  it.each(FAULTS)('refuses $name', ({ bytes, code, before }) => {
    expect(() => parseAmf0(hex(bytes))).toThrow(
      expect.objectContaining({ name: 'ProtocolError', code, action: 'skip' }),
    );
    const { values, fault } = parseAmf0Prefix(hex(bytes));
    expect(fault?.code).toBe(code);
    if (before) expect(values).toEqual(before);
  });

  it('nests 32 deep', () => {
    let value = parseAmf0(hex(`${'0a 00000001'.repeat(32)}05`))[0];
    for (let i = 0; i < 32; i += 1) [value] = value as AmfValue[];
    expect(value).toBeNull();
  });

  it('writes plain objects as objects', () => {
    expect(encodeAmf0({ a: [1, { b: 'c' }] })).toEqual(encodeAmf0(new Map([['a', [1, new Map([['b', 'c']])]]])));
  });

  it('writes what AMF0 has no form for as unsupported, and cuts keys that are too long', () => {
    expect(encodeAmf0(Buffer.of(1))).toEqual(Buffer.of(0x0d));
    const [object] = parseAmf0(encodeAmf0({ ['k'.repeat(70_000)]: 1 }));
    expect([...(object as Map<string, AmfValue>).keys()]).toEqual(['k'.repeat(65_535)]);
  });

  it('any values come out as they went in', () => {
    const { value } = fc.letrec<{ value: AmfInput }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.double(),
        fc.boolean(),
        fc.string({ unit: 'grapheme' }),
        fc.constantFrom(null, undefined),
        fc.date({ noInvalidDate: true }),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.array(fc.tuple(fc.string(), tie('value')), { maxLength: 4 }).map((entries) => new Map(entries)),
        fc.array(fc.tuple(fc.string(), tie('value')), { maxLength: 4 }).map((entries) => new EcmaArray(entries)),
      ),
    }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 4 }), (values) => {
        expect(parseAmf0(encodeAmf0(...values))).toEqual(values);
      }),
    );
  });

  it('any bytes are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { values, fault } = parseAmf0Prefix(Buffer.from(bytes));
        expect(values.length).toBeLessThanOrEqual(bytes.length);
        if (fault) expect(fault.action).toBe('skip');
      }),
      { numRuns: 2000 },
    );
  });
});
