import { describe, expect, it } from 'vitest';
import { agreeOnKeys, type KeyPolicy, offerKeys } from './key-agreement.ts';
import { KEY, keyOf, writeDataHeader } from './packet.ts';

const CURRENT = { passphrase: 'current passphrase' };
const PREVIOUS = { passphrase: 'previous passphrase', expiresAt: 5 };
const VERSION = 0x01_05_04;

const policy = (
  encryption: KeyPolicy<{ passphrase: string }>['encryption'],
  ...passphrases: { passphrase: string }[]
): KeyPolicy<{ passphrase: string }> => ({ encryption, passphrases });

const message = async (passphrase: string | undefined, keyLength: 16 | 24 | 32, mode: 'ctr' | 'gcm' = 'ctr') =>
  passphrase === undefined ? undefined : (await offerKeys({ passphrase, keyLength, mode })).message;

const KEY_LENGTHS = [16, 24, 32] as const;

describe('agreeOnKeys', () => {
  it.each([
    { caller: undefined, listener: policy('Required', CURRENT), want: 'ERR_SRT_UNSECURE' },
    { caller: undefined, listener: policy('Required'), want: 'ERR_SRT_UNSECURE' },
    { caller: undefined, listener: policy('Optional', CURRENT), want: 'clear' },
    { caller: undefined, listener: policy('Optional'), want: 'clear' },
    { caller: undefined, listener: policy('Disabled', CURRENT), want: 'clear' },
    { caller: undefined, listener: policy('Disabled'), want: 'clear' },
    { caller: 'current passphrase', listener: policy('Required', CURRENT), want: CURRENT },
    { caller: 'current passphrase', listener: policy('Required', CURRENT, PREVIOUS), want: CURRENT },
    { caller: 'previous passphrase', listener: policy('Required', CURRENT, PREVIOUS), want: PREVIOUS },
    { caller: 'previous passphrase', listener: policy('Required', CURRENT), want: 'ERR_SRT_BAD_SECRET' },
    { caller: 'another passphrase', listener: policy('Required', CURRENT, PREVIOUS), want: 'ERR_SRT_BAD_SECRET' },
    { caller: 'current passphrase', listener: policy('Required'), want: 'ERR_SRT_UNSECURE' },
    { caller: 'current passphrase', listener: policy('Optional', CURRENT), want: CURRENT },
    { caller: 'previous passphrase', listener: policy('Optional', CURRENT, PREVIOUS), want: PREVIOUS },
    { caller: 'another passphrase', listener: policy('Optional', CURRENT), want: 'ERR_SRT_BAD_SECRET' },
    { caller: 'current passphrase', listener: policy('Optional'), want: 'ERR_SRT_UNSECURE' },
    { caller: 'current passphrase', listener: policy('Disabled', CURRENT), want: 'ERR_SRT_UNSECURE' },
    { caller: 'current passphrase', listener: policy('Disabled'), want: 'ERR_SRT_UNSECURE' },
  ])('$listener.encryption, $listener.passphrases, caller with $caller', async ({ caller, listener, want }) => {
    for (const keyLength of KEY_LENGTHS) {
      const keyMessage = await message(caller, keyLength);
      const agreed = agreeOnKeys({ keyMessage, version: VERSION }, listener);
      if (want === 'clear') expect(await agreed).toBeUndefined();
      else if (typeof want === 'string') await expect(agreed).rejects.toThrow(want);
      else expect(await agreed).toMatchObject({ fitted: want, keyLength, mode: 'ctr', response: keyMessage });
    }
  });

  it('takes AES-GCM by the rules of 1.5.4 only', async () => {
    const keyMessage = await message(CURRENT.passphrase, 32, 'gcm');
    const listener = policy('Required', CURRENT);
    expect(await agreeOnKeys({ keyMessage, version: VERSION }, listener)).toMatchObject({ mode: 'gcm', keyLength: 32 });
    await expect(agreeOnKeys({ keyMessage, version: 0x01_05_03 }, listener)).rejects.toMatchObject({
      code: 'ERR_SRT_CRYPTO_MODE',
      rejection: 'crypto',
    });
  });

  it.each([
    { mode: 'ctr' as const, overhead: 0 },
    { mode: 'gcm' as const, overhead: 16 },
  ])('gives both sides the same keys for both directions: $mode', async ({ mode, overhead }) => {
    const offer = await offerKeys({ ...CURRENT, keyLength: 24, mode });
    const agreed = await agreeOnKeys({ keyMessage: offer.message, version: VERSION }, policy('Required', CURRENT));
    const listener = agreed?.keys as NonNullable<typeof agreed>['keys'];
    for (const [from, to] of [
      [offer.keys, listener],
      [listener, offer.keys],
    ] as const) {
      expect(from.overheadBytes).toBe(overhead);
      const datagram = Buffer.alloc(16 + 1316 + overhead, 7);
      writeDataHeader(datagram, 9, 1, 2, 3);
      from.encrypt(datagram);
      expect(keyOf(datagram)).toBe(KEY.even);
      expect(datagram.subarray(16, 32)).not.toEqual(Buffer.alloc(16, 7));
      expect(to.decrypt(datagram)).toEqual(Buffer.alloc(1316, 7));
    }
  });
});
