import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bodyOf,
  CONTROL,
  controlPacket,
  controlTypeOf,
  destinationOf,
  HEADER_BYTES,
  informationOf,
  isControl,
  isRetransmitted,
  KEY,
  keyOf,
  MAX_MESSAGE_NUMBER,
  messageNumberAt,
  messageNumberOf,
  sequenceOf,
  setKey,
  setRetransmitted,
  subtypeOf,
  timestampOf,
  USER,
  writeDataHeader,
} from './packet.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

describe('data header', () => {
  it('has the bits where the draft draws them', () => {
    const datagram = Buffer.alloc(HEADER_BYTES);
    writeDataHeader(datagram, 0x79ee_189e, 1, 0x64, 0x1234_5678);
    expect(datagram.toString('hex')).toBe('79ee189ec00000010000006412345678');
    setKey(datagram, KEY.even);
    expect(datagram.toString('hex')).toBe('79ee189ec80000010000006412345678');
    setKey(datagram, KEY.odd);
    setRetransmitted(datagram);
    expect(datagram.toString('hex')).toBe('79ee189ed40000010000006412345678');
  });

  it('counts messages from 1, and never 0', () => {
    expect([0, 1, MAX_MESSAGE_NUMBER - 1, MAX_MESSAGE_NUMBER].map(messageNumberAt)).toEqual([1, 2, 0x3ff_ffff, 1]);
  });

  it('reads what was written, flags apart from numbers', () => {
    const sequence = fc.integer({ min: 0, max: 0x7fff_ffff });
    const messageNumber = fc.integer({ min: 0, max: MAX_MESSAGE_NUMBER });
    const key = fc.integer({ min: 0, max: 3 });
    fc.assert(
      fc.property(sequence, messageNumber, u32, u32, key, fc.boolean(), (seq, message, timestamp, id, kk, again) => {
        const datagram = Buffer.alloc(HEADER_BYTES + 1, 0xff);
        writeDataHeader(datagram, seq, message, timestamp, id);
        setKey(datagram, kk);
        if (again) setRetransmitted(datagram);
        expect([isControl(datagram), sequenceOf(datagram), messageNumberOf(datagram)]).toEqual([false, seq, message]);
        expect([timestampOf(datagram), destinationOf(datagram)]).toEqual([timestamp, id]);
        expect([keyOf(datagram), isRetransmitted(datagram)]).toEqual([kk, again]);
        expect(bodyOf(datagram)).toEqual(Buffer.of(0xff));
      }),
    );
  });
});

describe('control header', () => {
  it.each([
    {
      name: 'acknowledgement',
      type: CONTROL.ack,
      information: 7,
      subtype: 0,
      want: '800200000000000700000001000000ff',
    },
    {
      name: 'new keys',
      type: CONTROL.user,
      information: 0,
      subtype: USER.keyRequest,
      want: 'ffff00030000000000000001000000ff',
    },
    { name: 'end', type: CONTROL.shutdown, information: 0, subtype: 0, want: '800500000000000000000001000000ff' },
  ])('$name', ({ type, information, subtype, want }) => {
    const datagram = controlPacket(type, information, 1, 0xff, 4, subtype);
    expect(datagram.length).toBe(HEADER_BYTES + 4);
    expect(datagram.toString('hex', 0, HEADER_BYTES)).toBe(want);
    expect(isControl(datagram)).toBe(true);
    expect([controlTypeOf(datagram), subtypeOf(datagram), informationOf(datagram)]).toEqual([
      type,
      subtype,
      information,
    ]);
  });

  it('cuts a clock that has run past 71 minutes to 32 bits', () => {
    expect(timestampOf(controlPacket(CONTROL.keepalive, 0, 0x1_0000_0005, 1))).toBe(5);
  });
});
