import { describe, expect, it } from 'vitest';
import { splitAggregate } from './aggregate.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
function split(timestamp: number, text: string) {
  const parts: string[] = [];
  const isWhole = splitAggregate(timestamp, hex(text), (type, time, body) =>
    parts.push(`${type}@${time}:${body.toString('hex')}`),
  );
  return { parts, isWhole };
}

describe('splitAggregate', () => {
  it.each([
    { name: 'nothing', at: 5, body: '', parts: [], isWhole: true },
    {
      name: 'times from the first tag on',
      at: 1000,
      body: '08 000002 0000c8 00 000000 af01 0000000d  09 000001 0000dc 00 000000 17 0000000c',
      parts: ['8@1000:af01', '9@1020:17'],
      isWhole: true,
    },
    {
      name: 'a tag earlier than the first',
      at: 1000,
      body: '09 000001 0000c8 00 000000 17 0000000c 08 000001 0000be 00 000000 af 0000000c',
      parts: ['9@1000:17', '8@990:af'],
      isWhole: true,
    },
    {
      name: 'times past 24 bits and past 32',
      at: 0xffff_fff0,
      body: '08 000001 fffff0 01 000000 aa 0000000c 08 000001 000010 02 000000 bb 0000000c',
      parts: ['8@4294967280:aa', '8@16:bb'],
      isWhole: true,
    },
    { name: 'no last back pointer', at: 0, body: '08 000001 000000 00 000000 aa', parts: ['8@0:aa'], isWhole: true },
    {
      name: 'half a back pointer',
      at: 0,
      body: '08 000001 000000 00 000000 aa 0000',
      parts: ['8@0:aa'],
      isWhole: true,
    },
    { name: 'an empty tag', at: 0, body: '08 000000 000000 00 000000 0000000b', parts: ['8@0:'], isWhole: true },
    { name: 'the filter bit', at: 0, body: '28 000001 000000 00 000000 aa 0000000c', parts: ['8@0:aa'], isWhole: true },
    {
      name: 'a size past the end',
      at: 0,
      body: '08 000001 000000 00 000000 aa 0000000c 08 ffffff 000000 00 000000 bb',
      parts: ['8@0:aa'],
      isWhole: false,
    },
    { name: 'half a tag header', at: 0, body: '08 0000', parts: [], isWhole: false },
  ])('$name', ({ at, body, parts, isWhole }) => {
    expect(split(at, body)).toEqual({ parts, isWhole });
  });
});
