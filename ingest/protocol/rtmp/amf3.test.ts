import { describe, expect, it } from 'vitest';
import { type AmfValue, EcmaArray, TypedObject } from './amf-value.ts';
import { parseAmf0 } from './amf0.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
/** One AMF3 value, as it stands in an AMF0 body. */
const parse = (text: string) => parseAmf0(hex(`11 ${text}`));

const CASES: { name: string; bytes: string; value: AmfValue }[] = [
  { name: 'undefined', bytes: '00', value: undefined },
  { name: 'null', bytes: '01', value: null },
  { name: 'false', bytes: '02', value: false },
  { name: 'true', bytes: '03', value: true },
  { name: 'an integer of one byte', bytes: '04 7f', value: 127 },
  { name: 'an integer of two bytes', bytes: '04 8100', value: 128 },
  { name: 'an integer of three bytes', bytes: '04 ffff7f', value: 0x1fffff },
  { name: 'an integer of four bytes', bytes: '04 80c08000', value: 0x200000 },
  { name: 'the greatest integer', bytes: '04 bfffffff', value: 0x0fff_ffff },
  { name: 'the least integer', bytes: '04 c0808000', value: -0x1000_0000 },
  { name: '-1', bytes: '04 ffffffff', value: -1 },
  { name: 'a double', bytes: '05 3ff0000000000000', value: 1 },
  { name: 'a string', bytes: '06 07 e282ac', value: '€' },
  { name: 'XML documents', bytes: '07 03 78', value: 'x' },
  { name: 'XML', bytes: '0b 03 78', value: 'x' },
  { name: 'a date', bytes: '08 01 408f400000000000', value: new Date(1000) },
  { name: 'a byte array', bytes: '0c 05 0102', value: Buffer.of(1, 2) },
  { name: 'a dense array', bytes: '09 05 01 01 03', value: [null, true] },
  {
    name: 'an array with names',
    bytes: '09 03 03 61 03 01 01',
    value: new EcmaArray<AmfValue>([
      ['a', true],
      ['0', null],
    ]),
  },
  { name: 'a dynamic object', bytes: '0a 0b 01 03 61 03 01', value: new Map([['a', true]]) },
  { name: 'a sealed object', bytes: '0a 13 03 43 03 61 03', value: typed('C', [['a', true]]) },
  {
    name: 'strings, traits and objects by reference',
    bytes: '09 09 01  0a 13 03 43 03 61 06 03 61   0a 01 06 02   0a 02   06 00',
    value: [typed('C', [['a', 'a']]), typed('C', [['a', 'a']]), typed('C', [['a', 'a']]), 'C'],
  },
  {
    name: 'an ArrayCollection',
    bytes: `0a 07 43 ${Buffer.from('flex.messaging.io.ArrayCollection').toString('hex')} 09 03 01 03`,
    value: typed('flex.messaging.io.ArrayCollection', [['source', [true]]]),
  },
  { name: 'a vector of int', bytes: '0d 05 00 ffffffff 00000001', value: [-1, 1] },
  { name: 'a vector of uint', bytes: '0e 03 00 ffffffff', value: [0xffff_ffff] },
  { name: 'a vector of double', bytes: '0f 03 00 3ff0000000000000', value: [1] },
  { name: 'a vector of objects', bytes: '10 03 00 03 43 03', value: [true] },
  {
    name: 'a dictionary',
    bytes: '11 05 00 04 01 03 09 01 01 02',
    value: new Map([
      ['1', true],
      ['[key 1]', false],
    ]),
  },
];

const FAULTS = [
  { name: 'half a U29', bytes: '04 80', code: 'ERR_AMF_TRUNCATED' },
  { name: 'a string past the end', bytes: '06 07 61', code: 'ERR_AMF_TRUNCATED' },
  { name: 'an array of 2²⁸', bytes: '09 ffffffff 01', code: 'ERR_AMF_TRUNCATED' },
  { name: 'a vector of 2²⁸', bytes: '0f ffffffff 00', code: 'ERR_AMF_TRUNCATED' },
  { name: 'a dictionary of 2²⁸', bytes: '11 ffffffff 00', code: 'ERR_AMF_TRUNCATED' },
  { name: 'traits with 2²⁵ names', bytes: '0a fffffff3 01', code: 'ERR_AMF_TRUNCATED' },
  { name: 'a byte array past the end', bytes: '0c 09 01', code: 'ERR_AMF_TRUNCATED' },
  { name: 'type 0x12', bytes: '12', code: 'ERR_AMF_UNSUPPORTED' },
  { name: 'a string that is not there', bytes: '06 00', code: 'ERR_AMF_UNSUPPORTED' },
  { name: 'an object that is not there', bytes: '0a 00', code: 'ERR_AMF_UNSUPPORTED' },
  { name: 'traits that are not there', bytes: '0a 01', code: 'ERR_AMF_UNSUPPORTED' },
  { name: 'an array in itself', bytes: '09 03 01 09 00', code: 'ERR_AMF_UNSUPPORTED' },
  { name: 'an externalizable class', bytes: '0a 07 03 43', code: 'ERR_AMF_UNSUPPORTED' },
  { name: 'arrays nested 10,000 deep', bytes: '09 03 01'.repeat(10_000), code: 'ERR_AMF_TOO_DEEP' },
  {
    name: 'a small body that refers to itself many times over',
    bytes: `09 0d 01 ${Array.from({ length: 6 }, (_, n) => `09 15 01 ${(n === 0 ? '01' : `09 0${2 * n}`).repeat(10)}`).join('')}`,
    code: 'ERR_AMF_TOO_MANY',
  },
  {
    name: 'nesting by references',
    bytes: `09 53 01 09 03 01 01 ${Array.from({ length: 40 }, (_, n) => `09 03 01 09 ${(2 * (n + 1)).toString(16).padStart(2, '0')}`).join('')}`,
    code: 'ERR_AMF_TOO_DEEP',
  },
  {
    name: 'a long XML document referred to many times',
    bytes: `09 8123 01  07 ffff7f ${'78'.repeat(0xfffff)} ${'07 02'.repeat(80)}`,
    code: 'ERR_AMF_TOO_MANY',
  },
  {
    name: 'traits with a long name used many times',
    // One sealed class with a name of 8,191 bytes, then 1,000 objects of it.
    bytes: `09 8f53 01  0a 13 01 ff7f ${'61'.repeat(8191)} 01 ${'0a 01 01'.repeat(1000)}`,
    code: 'ERR_AMF_TOO_MANY',
  },
];

function typed(className: string, entries: [string, AmfValue][]): TypedObject {
  const object = new TypedObject(className);
  for (const [key, value] of entries) object.set(key, value);
  return object;
}

describe('AMF3', () => {
  it.each(CASES)('reads $name', ({ bytes, value }) => {
    expect(parse(bytes)).toEqual([value]);
  });

  it.each(FAULTS)('refuses $name', ({ bytes, code }) => {
    expect(() => parse(bytes)).toThrow(expect.objectContaining({ code, action: 'skip' }));
  });

  it('the switch is for one value: AMF0 goes on, and references start anew', () => {
    expect(parseAmf0(hex('02 0001 61  11 06 03 62  05  11 06 03 63'))).toEqual(['a', 'b', null, 'c']);
    expect(() => parseAmf0(hex('11 06 03 62  11 06 00'))).toThrow(
      expect.objectContaining({ code: 'ERR_AMF_UNSUPPORTED' }),
    );
  });

  it('a byte array is its own memory', () => {
    const body = hex('11 0c 05 0102');
    const [bytes] = parseAmf0(body);
    body.fill(0);
    expect(bytes).toEqual(Buffer.of(1, 2));
  });
});
