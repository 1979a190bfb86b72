import { describe, expect, it } from 'vitest';
import { numberedPayload, SimulatedLink, type Weather } from '../../../test/support/srt-link.ts';
import { SessionKeys } from './connection-keys.ts';
import type { CipherMode, KeyLength } from './key-material.ts';
import type { ConnectionKeys } from './negotiated.ts';
import { isControl, KEY, keyOf } from './packet.ts';

const SECOND = 1_000_000;

/** Keys of both ends, as their handshake leaves them; new ones every 2000 packets. */
function bothKeys(mode: CipherMode, keyLength: KeyLength): [ConnectionKeys, ConnectionKeys] {
  const secret = {
    passphrase: 'foobarfoobar',
    mode,
    keyLength,
    salt: Buffer.alloc(16, 0x5a),
    kek: Buffer.alloc(keyLength, 0x17),
  };
  const refresh = { afterPackets: 2000, preAnnouncePackets: 500 };
  const even = Buffer.alloc(keyLength, 0x2b);
  return [new SessionKeys(secret, { even }, refresh), new SessionKeys(secret, { even }, refresh)];
}

/** How often KK changed among the packets that pass. */
class KeyWatch {
  turns = 0;
  #parity: number = KEY.even;
  readonly see = (datagram: Buffer): boolean => {
    const isAgain = ((datagram[4] as number) & 0x04) !== 0;
    if (!isControl(datagram) && !isAgain && keyOf(datagram) !== this.#parity) {
      this.#parity = keyOf(datagram);
      this.turns += 1;
    }
    return false;
  };
}

describe('new keys during a connection', () => {
  it.each([
    { mode: 'ctr', keyLength: 16 },
    { mode: 'ctr', keyLength: 24 },
    { mode: 'gcm', keyLength: 32 },
  ] as const)(
    'AES-$keyLength $mode: ten times each way under loss, nothing is lost or unreadable',
    ({ mode, keyLength }) => {
      const there = new KeyWatch();
      const back = new KeyWatch();
      const weather: Weather = { delayUs: 40_000, jitterUs: 5000, lossRate: 0.05, duplicateRate: 0.02 };
      const link = new SimulatedLink({
        seed: keyLength,
        there: { ...weather, isLost: there.see },
        back: { ...weather, isLost: back.see },
        latencyMs: 640,
        keys: bothKeys(mode, keyLength),
      });
      let sent = 0;
      link.run(50 * SECOND, 2000, (now) => {
        link.a.connection.send(numberedPayload(sent, 1000), now);
        link.b.connection.send(numberedPayload(sent, 1000), now);
        sent += 1;
      });
      link.run(2 * SECOND);
      const all = [...Array(sent).keys()];
      expect(link.a.payloads).toEqual(all);
      expect(link.b.payloads).toEqual(all);
      for (const { connection } of [link.a, link.b]) {
        expect(connection.statistics(link.now)).toMatchObject({ pktRcvUndecrypt: 0, pktRcvDrop: 0 });
      }
      expect(there.turns).toBeGreaterThanOrEqual(10);
      expect(back.turns).toBeGreaterThanOrEqual(10);
    },
  );

  it('a packet of a key that the peer has not told is missing in its place, and the link lives', () => {
    const [a] = bothKeys('ctr', 16);
    const secret = {
      passphrase: 'foobarfoobar',
      mode: 'ctr',
      keyLength: 16,
      salt: Buffer.alloc(16),
      kek: Buffer.alloc(16),
    } as const;
    const odd = new SessionKeys(secret, { odd: Buffer.alloc(16, 1) });
    const link = new SimulatedLink({
      there: { delayUs: 1000 },
      back: { delayUs: 1000 },
      latencyMs: 120,
      keys: [a, odd],
    });
    const sent = link.stream(SECOND, 100);
    link.run(SECOND);
    expect(link.b.events).toEqual(Array(sent).fill(-1));
    expect(link.b.connection.statistics(link.now)).toMatchObject({ pktRcvUndecrypt: sent, pktRcvDrop: 0 });
    expect(link.a.connection.statistics(link.now).pktRetrans).toBe(0);
  });
});
