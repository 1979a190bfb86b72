import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULTS } from '../config/defaults.ts';
import type { PublishGrant } from '../media/publication.ts';
import type { Log } from '../runtime/log.ts';
import { NO_METER } from '../runtime/meter.ts';
import { Hub } from './hub.ts';
import type { PathSettings } from './stream.ts';

const NO_LOG: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => NO_LOG };
const PATH = 'team/cam';

describe('rights and settings of one path', () => {
  let hub: Hub;
  let own: PathSettings | undefined;
  let ended: string[];

  beforeEach(() => {
    vi.useFakeTimers();
    own = undefined;
    ended = [];
    hub = new Hub({
      settings: { ...DEFAULTS.relay, ...DEFAULTS.play, ...DEFAULTS.rtmp, viewer: DEFAULTS.viewer },
      pathSettings: (path) => (path === PATH ? own : undefined),
      claim: () => ({ pub: 'abcdefgh', epoch: 1 }),
      taps: [() => undefined, ({ path }) => ({ onEvent: (e) => void (e.kind === 'end' && ended.push(path, e.cause)) })],
      log: NO_LOG,
      meter: NO_METER,
    });
  });
  afterEach(() => {
    hub.close();
    vi.useRealTimers();
  });

  const grant = (credentialRevision: number): PublishGrant => ({ owner: 'uid', credentialRevision });

  function publish(with_?: PublishGrant): string[] {
    const said: string[] = [];
    hub.publish(
      { path: PATH, protocol: 'rtmp', connId: 'c1', ...(with_ && { grant: with_ }) },
      {
        onAccepted: () => said.push('accepted'),
        onRefused: () => said.push('refused'),
        onReplaced: (cause) => said.push(cause),
      },
    );
    return said;
  }

  function watch(encoding: 'rtmp-base' | 'flv-base'): string[] {
    const said: string[] = [];
    const sink = { writableLength: 0, write: () => true };
    hub.seat(PATH, encoding, sink, { onReady: () => said.push('ready'), onEnd: (reason) => said.push(reason) }).take();
    return said;
  }

  it('ends the publisher whose key is revoked, and no other', () => {
    const said = publish(grant(1));
    hub.revoke('team/other', () => true);
    hub.revoke(PATH, (held) => held?.credentialRevision === 2);
    expect(said).toEqual(['accepted']);
    hub.revoke(PATH, (held) => held?.credentialRevision === 1);
    expect(said).toEqual(['accepted', 'revoked']);
    expect(ended).toEqual([PATH, 'revoked']);
    expect(publish(grant(2))).toEqual(['accepted']);
  });

  it('lets the newcomer in that waits with a good key when the old one is revoked', () => {
    const leaked = publish(grant(1));
    const good = publish(grant(2));
    hub.revoke(PATH, (held) => held?.credentialRevision === 1);
    expect({ leaked, good }).toEqual({ leaked: ['accepted', 'revoked'], good: ['accepted'] });
  });

  it('refuses the newcomer that waits with a revoked one', () => {
    const good = publish(grant(2));
    const leaked = publish(grant(1));
    hub.revoke(PATH, (held) => held?.credentialRevision === 1);
    expect({ leaked, good }).toEqual({ leaked: ['refused'], good: ['accepted'] });
  });

  it('keeps viewers of a revoked publisher for the next one', () => {
    const said = watch('rtmp-base');
    publish(grant(1));
    hub.revoke(PATH, () => true);
    vi.advanceTimersByTime(DEFAULTS.relay.holdViewers - 1);
    expect(said).toEqual(['ready']);
    vi.advanceTimersByTime(1);
    expect(said).toEqual(['ready', 'ended']);
  });

  it('ends viewers of a protocol that is no longer allowed, waiting ones too, and forgets the path with the last', () => {
    const [rtmp, flv] = [watch('rtmp-base'), watch('flv-base')];
    hub.dismiss(PATH, (protocol) => protocol === 'rtmp');
    expect({ rtmp, flv }).toEqual({ rtmp: [], flv: ['ended'] });
    publish();
    hub.dismiss(PATH, () => false);
    expect(rtmp).toEqual(['ready', 'ended']);
    hub.revoke(PATH, () => true);
    expect([...hub.streams.keys()]).toEqual([]);
    expect(hub.viewerCount).toBe(0);
  });

  it('obeys what the path says of a second publisher at the moment it comes', () => {
    own = { onDuplicate: 'Reject', idleTimeoutMs: 3_000 };
    const first = publish();
    expect(publish()).toEqual(['refused']);
    expect([hub.idleTimeoutMs(PATH), hub.idleTimeoutMs('live/test')]).toEqual([3_000, undefined]);
    own = { onDuplicate: 'TakeOver', idleTimeoutMs: 3_000 };
    expect(publish()).toEqual(['accepted']);
    expect(first).toEqual(['accepted', 'takeover']);
  });
});
