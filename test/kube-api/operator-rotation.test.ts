import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ANNOTATIONS, CONFIG_KEY, HEARTBEAT, heartbeatLeaseName } from '../../crds/names.ts';
import type { StreamConfig } from '../../crds/stream-config.ts';
import { refreshEvery } from '../../ingest/protocol/srt/connection-keys.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { microTime, readLease, writeLease } from '../../kube/lease.ts';
import { EVENTS, LEASES, SECRETS } from '../../kube/resource.ts';
import { LIVE_STREAMS } from '../../operator/watch/resources.ts';
import { ApiProxy } from '../support/kube/api-proxy.ts';
import type { IngestPod } from '../support/kube/ingest-pod.ts';
import { hasCondition, KubeApiRun, type StreamObject } from '../support/kube/kube-api-run.ts';
import { LivePublisher } from '../support/kube/live-publisher.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import { SrtCaller } from '../support/srt-caller.ts';
import { tsClip } from '../support/ts-clips.ts';
import { waitFor } from '../support/wait-for.ts';

const TENANT = 'team-a';
/** How long pods come before people at most; a minute unless set, which a test need not wait for. */
const PODS_FIRST_MS = 3_000;
const REVOKED_MS = 1_000;

type Secret = KubeObject & { readonly data: Readonly<Record<string, string>> };
type Event = KubeObject & {
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: { name: string };
};

let run: KubeApiRun;
let release: Release;
let proxy: ApiProxy;
let operator: OperatorReplica;
let pod: IngestPod;

beforeAll(async () => {
  run = await KubeApiRun.start('rotation', { addresses: 1 });
  await run.plane.kubectl('create', 'namespace', TENANT);
  release = await run.install({ set: ['streams.protocols={RTMP,SRT}'] });
  proxy = await ApiProxy.start(run.plane);
  operator = await startOperator();
  pod = await release.ingest(0, run.addresses[0]!);
});
afterAll(async () => {
  await pod?.[Symbol.asyncDispose]();
  await operator?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

async function startOperator(): Promise<OperatorReplica> {
  const more = { rotation: { podsFirst: `${PODS_FIRST_MS}ms` } };
  return (await release.operator({ url: proxy.url, more })).waitUntilReady();
}

const decode = (value: string | undefined): string => Buffer.from(value ?? '', 'base64').toString('utf8');

/** What the pods obey. */
async function config(uid: string): Promise<StreamConfig> {
  const secret = await run.client.get<Secret>(SECRETS, { namespace: release.runtimeNamespace, name: `s-${uid}` });
  return JSON.parse(decode(secret.data[CONFIG_KEY]));
}

/** What the people who publish see. */
async function shown(name: string): Promise<{ readonly current: string; readonly previous: string }> {
  const { data } = await run.client.get<Secret>(SECRETS, { namespace: TENANT, name: `${name}-ingest` });
  return { current: decode(data.rtmpKey), previous: decode(data.previousRtmpKey) };
}

async function ready(name: string, spec: object): Promise<{ readonly uid: string; readonly key: string }> {
  const { metadata } = await run.createStream(TENANT, name, spec);
  await waitFor(`${name} to be ready`, async () => hasCondition(await run.stream(TENANT, name), 'Ready'));
  return { uid: metadata.uid!, key: (await shown(name)).current };
}

const rotate = (name: string, rotation: object) =>
  run.client.merge(LIVE_STREAMS, { namespace: TENANT, name }, { spec: { credentials: { rotation } } });
const publish = (name: string, key: string) => LivePublisher.start(`${pod.rtmp(`${TENANT}/${name}`)}?key=${key}`);
const stream = (name: string): Promise<StreamObject> => run.stream(TENANT, name);

/** Whether a publisher with this key is let in; it takes the place of another. */
async function isLetIn(name: string, key: string): Promise<boolean> {
  const publisher = await publish(name, key).catch(() => undefined);
  await publisher?.[Symbol.asyncDispose]();
  return publisher !== undefined;
}

async function eventsOf(name: string): Promise<readonly string[]> {
  const events = await run.list<Event>(EVENTS, TENANT);
  return events.filter(({ involvedObject }) => involvedObject.name === name).map(({ reason }) => reason);
}

describe('a rotation', () => {
  it('keeps who is live, lets former keys in until the overlap ends, and then no more', async () => {
    const { uid, key } = await ready('turned', {
      credentials: { rotation: { overlap: '6s' } },
      ingest: { onDuplicate: 'TakeOver' },
    });
    await using live = await publish('turned', key);
    await waitFor('it to be live', async () => hasCondition(await stream('turned'), 'Live'));
    await rotate('turned', { generation: 1 });
    const { current, previous } = await waitFor('the new key to be shown', async () => {
      const now = await shown('turned');
      return now.current !== key && now;
    });
    expect(previous).toBe(key);
    expect((await config(uid)).credentials).toMatchObject({
      revision: 2,
      rtmpKey: current,
      previous: { rtmpKey: key },
    });
    await waitFor('the status', async () => (await stream('turned')).status?.credentials?.previousInUse === true);
    expect(live.isLive).toBe(true);

    await waitFor('the end of the overlap', async () => (await shown('turned')).previous === '', { timeoutMs: 10_000 });
    expect((await config(uid)).credentials.previous).toBeNull();
    await waitFor('the pod to have heard', async () => hasCondition(await stream('turned'), 'Programmed'));
    expect(live.isLive).toBe(true);
    expect(await isLetIn('turned', key)).toBe(false);
    expect(live.isLive).toBe(true);
    await waitFor('the Events', async () => {
      const reasons = await eventsOf('turned');
      return reasons.includes('KeysRotated') && reasons.includes('OverlapEnded');
    });
    // The new key works, and takes the place of who is live: that is what TakeOver says.
    expect(await isLetIn('turned', current)).toBe(true);
  });

  it('lets a publisher with the former key come back within the overlap', async () => {
    const { key } = await ready('back', { credentials: { rotation: { overlap: '1h' } } });
    await rotate('back', { generation: 1 });
    const { current } = await waitFor('the new key', async () => {
      const now = await shown('back');
      return now.current !== key && now;
    });
    expect(await isLetIn('back', key)).toBe(true);
    await waitFor('it to be gone', async () => hasCondition(await stream('back'), 'Live', 'False'));
    expect(await isLetIn('back', current)).toBe(true);
    expect(await isLetIn('back', `${key}x`)).toBe(false);
  });

  it('revokePrevious closes who came with the former key within a second, and lets it in no more', async () => {
    const { key } = await ready('leaked', { credentials: { rotation: { overlap: '1h' } } });
    await using live = await publish('leaked', key);
    await rotate('leaked', { generation: 1 });
    await waitFor('the new key', async () => (await shown('leaked')).current !== key);
    expect(live.isLive).toBe(true);
    const asked = performance.now();
    await rotate('leaked', { revokePrevious: true });
    await waitFor('its end', () => !live.isLive);
    expect(live.closedAt! - asked).toBeLessThan(REVOKED_MS);
    expect(await isLetIn('leaked', key)).toBe(false);
    expect(await isLetIn('leaked', (await shown('leaked')).current)).toBe(true);
    expect((await shown('leaked')).previous).toBe('');
  });

  it('with revokePrevious in the same breath as new keys', async () => {
    const { key } = await ready('leaked-2', {});
    await using live = await publish('leaked-2', key);
    const asked = performance.now();
    await rotate('leaked-2', { generation: 1, revokePrevious: true });
    await waitFor('its end', () => !live.isLive);
    expect(live.closedAt! - asked).toBeLessThan(REVOKED_MS);
    await waitFor('the new key', async () => (await shown('leaked-2')).current !== key);
  });

  it('with revokePrevious, though the rest of the LiveStream cannot be served', async () => {
    const { key } = await ready('leaked-3', {});
    await using live = await publish('leaked-3', key);
    await waitFor('it to be live', async () => hasCondition(await stream('leaked-3'), 'Live'));
    const spec = { recording: { enabled: true, policyRef: { name: 'none' } } };
    await run.client.merge(LIVE_STREAMS, { namespace: TENANT, name: 'leaked-3' }, { spec });
    await waitFor('the refusal', async () => hasCondition(await stream('leaked-3'), 'Accepted', 'False'));
    expect(live.isLive).toBe(true);
    await rotate('leaked-3', { generation: 1, revokePrevious: true });
    await waitFor('its end', () => !live.isLive);
    await waitFor('the new key', async () => (await shown('leaked-3')).current !== key);
    expect(await isLetIn('leaked-3', key)).toBe(false);
    expect(await isLetIn('leaked-3', (await shown('leaked-3')).current)).toBe(true);
  });
});

describe('a rotation over SRT', () => {
  /** Packets after which the caller takes a new session key: it wraps it with the passphrase that it came with. */
  const REFRESH = refreshEvery(200);

  const call = (name: string, passphrase: string) =>
    SrtCaller.connect(10_080, {
      ...{ host: pod.address, streamId: `publish:${TENANT}/${name}`, passphrase, keyLength: 32, refresh: REFRESH },
    });

  async function passphrases(name: string): Promise<{ readonly current: string; readonly previous: string }> {
    const { data } = await run.client.get<Secret>(SECRETS, { namespace: TENANT, name: `${name}-ingest` });
    return { current: decode(data.srtPassphrase), previous: decode(data.previousSrtPassphrase) };
  }

  it('keeps who is live, through its own new session keys too, lets the former passphrase in until the overlap ends', async () => {
    const ts = readFileSync(await tsClip('h264-small'));
    const spec = {
      credentials: { rotation: { overlap: '3s' } },
      ingest: { protocols: ['SRT'], onDuplicate: 'TakeOver' },
    };
    await ready('srt', spec);
    const { current: former } = await passphrases('srt');
    expect(former).toMatch(/^[\w-]{32}$/);
    await using live = await call('srt', former);
    let sent = 0;
    const sending = setInterval(() => {
      const from = (sent++ * 1316) % (ts.length - 1316);
      if (!live.isClosed) live.send(ts.subarray(from - (from % 188), from - (from % 188) + 1316));
    }, 5);
    try {
      await waitFor('it to be live', async () => hasCondition(await stream('srt'), 'Live'));
      await rotate('srt', { generation: 1 });
      await waitFor('the new passphrase', async () => (await passphrases('srt')).previous === former);
      await waitFor('the end of the overlap', async () => (await passphrases('srt')).previous === '');
      await waitFor('the pod to have heard', async () => hasCondition(await stream('srt'), 'Programmed'));
      // More than two new session keys, each wrapped with a passphrase that nobody else may use any more.
      const before = sent;
      await waitFor('new session keys', () => sent > before + 500);
      expect(live.isClosed).toBe(false);
      await waitFor('media to arrive', async () => (await stream('srt')).status?.publisher?.protocol === 'SRT');
      await expect(call('srt', former)).rejects.toMatchObject({ code: 'ERR_SRT_REFUSED' });
      expect(live.isClosed).toBe(false);
    } finally {
      clearInterval(sending);
    }
    await using next = await call('srt', (await passphrases('srt')).current);
    expect(next.isClosed).toBe(false);
  });

  it('lets both passphrases in within the overlap, and revokePrevious closes who came with the former one', async () => {
    const { current: former } = await ready('srt-2', { credentials: { rotation: { overlap: '1h' } } }).then(() =>
      passphrases('srt-2'),
    );
    await rotate('srt-2', { generation: 1 });
    const { current } = await waitFor('the new passphrase', async () => {
      const now = await passphrases('srt-2');
      return now.previous === former && now;
    });
    await (await call('srt-2', current))[Symbol.asyncDispose]();
    await waitFor('its end', async () => hasCondition(await stream('srt-2'), 'Live', 'False'), { timeoutMs: 30_000 });
    await using live = await call('srt-2', former);
    await waitFor('it to be live', async () => (await stream('srt-2')).status?.credentials?.previousInUse === true);
    const asked = performance.now();
    await rotate('srt-2', { revokePrevious: true });
    await live.closed;
    expect(performance.now() - asked).toBeLessThan(REVOKED_MS);
    await expect(call('srt-2', former)).rejects.toMatchObject({ code: 'ERR_SRT_REFUSED' });
  });
});

describe('a Secret of the user', () => {
  const secretOf = (name: string, data: Readonly<Record<string, string>>): object => ({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: { namespace: TENANT, name },
    stringData: data,
  });

  it('is where keys come from; an edit is a rotation; a bad one keeps the key in force and says so', async () => {
    await run.client.create(
      SECRETS,
      secretOf('mine', { rtmpKey: 'my-first-key', srtPassphrase: 'my-passphrase' }) as KubeObject,
    );
    const { key } = await ready('owned', { credentials: { secretRef: { name: 'mine' }, rotation: { overlap: '1h' } } });
    expect(key).toBe('my-first-key');
    await using live = await publish('owned', key);
    const edit = (data: object) => run.client.merge(SECRETS, { namespace: TENANT, name: 'mine' }, { stringData: data });

    await edit({ rtmpKey: 'my-second-key' });
    await waitFor('the rotation', async () => (await shown('owned')).current === 'my-second-key');
    expect(await shown('owned')).toEqual({ current: 'my-second-key', previous: 'my-first-key' });
    expect(live.isLive).toBe(true);

    await edit({ rtmpKey: 'bad key' });
    const bad = await waitFor('the complaint', async () => {
      const found = await stream('owned');
      return hasCondition(found, 'CredentialsReady', 'False') && found;
    });
    expect(bad.status?.conditions).toContainEqual(
      expect.objectContaining({
        type: 'CredentialsReady',
        reason: 'SecretInvalid',
        message:
          'In the Secret mine, rtmpKey cannot be used: write 8 to 128 of A-Z a-z 0-9 . _ ~ -. The keys in force stay in force.',
      }),
    );
    expect(await shown('owned')).toEqual({ current: 'my-second-key', previous: 'my-first-key' });
    expect(live.isLive).toBe(true);
    expect(hasCondition(bad, 'Ready', 'False')).toBe(true);

    await run.client.remove(SECRETS, { namespace: TENANT, name: 'mine' }, undefined);
    await waitFor('the other complaint', async () =>
      (await stream('owned')).status?.conditions?.some(({ reason }) => reason === 'SecretNotFound'),
    );
    await live[Symbol.asyncDispose]();
    // As an encoder does: where what the old connection sent is still being read, it is refused once.
    await waitFor('it to be let in', () => isLetIn('owned', 'my-second-key'), { timeoutMs: 5000 });
    await run.client.create(
      SECRETS,
      secretOf('mine', { rtmpKey: 'my-third-key', srtPassphrase: 'my-passphrase' }) as KubeObject,
    );
    await waitFor('it to be well again', async () => hasCondition(await stream('owned'), 'Ready'));
    expect((await shown('owned')).current).toBe('my-third-key');
  });

  it('that is not there: nothing is in force, and the LiveStream says what to do', async () => {
    await run.createStream(TENANT, 'waiting', { credentials: { secretRef: { name: 'not-there' } } });
    const found = await waitFor('the complaint', async () => {
      const now = await stream('waiting');
      return hasCondition(now, 'CredentialsReady', 'False') && now;
    });
    expect(hasCondition(found, 'Programmed', 'False')).toBe(true);
    await run.client.create(
      SECRETS,
      secretOf('not-there', { rtmpKey: 'here-it-is', srtPassphrase: 'my-passphrase' }) as KubeObject,
    );
    await waitFor('it to be ready', async () => hasCondition(await stream('waiting'), 'Ready'));
    expect((await shown('waiting')).current).toBe('here-it-is');
  });
});

/** A pod that says it lives, and obeys nothing: its port is closed. */
class DeafPod implements AsyncDisposable {
  readonly #beating: NodeJS.Timeout;
  readonly #name: string;

  constructor(name: string) {
    this.#name = heartbeatLeaseName(name);
    this.#beating = setInterval(() => void this.beat().catch(() => {}), HEARTBEAT.renewEveryMs);
  }

  async beat(renewTime = microTime(Date.now())): Promise<void> {
    const namespace = release.runtimeNamespace;
    const found = await readLease(run.client, namespace, this.#name);
    await writeLease(
      run.client,
      {
        namespace,
        name: this.#name,
        annotations: {
          [ANNOTATIONS.address]: pod.address,
          [ANNOTATIONS.internalPort]: '9',
          [ANNOTATIONS.draining]: 'false',
        },
        spec: { holderIdentity: this.#name, leaseDurationSeconds: HEARTBEAT.durationSeconds, renewTime },
      },
      { over: found?.metadata.resourceVersion },
    );
  }

  /** It dies, and leaves its Lease behind. */
  die(): void {
    clearInterval(this.#beating);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.die();
    await run.client.remove(LEASES, { namespace: release.runtimeNamespace, name: this.#name }, undefined);
  }
}

describe('pods first', () => {
  it('a pod that lives and does not obey is waited for, but not for ever, and people are told', async () => {
    const { key, uid } = await ready('slow', {});
    await using deaf = new DeafPod('deaf');
    await deaf.beat();
    await waitFor('it to be counted', async () => (await stream('slow')).status?.podsProgrammed === '1/2');
    const asked = performance.now();
    await rotate('slow', { generation: 1 });
    await waitFor('the pods to be told', async () => (await config(uid)).credentials.revision === 2);
    expect((await shown('slow')).current).toBe(key);
    await waitFor('people to be shown', async () => (await shown('slow')).current !== key);
    expect(performance.now() - asked).toBeGreaterThan(PODS_FIRST_MS - 100);
    await waitFor('the Event', async () => (await eventsOf('slow')).includes('PodsNotWaitedFor'));
  });

  it('a pod that is dead is not waited for', async () => {
    const { key } = await ready('quick', {});
    await using dead = new DeafPod('dead');
    dead.die();
    await dead.beat(microTime(Date.now() - 3_600_000));
    await delay(500);
    const asked = performance.now();
    await rotate('quick', { generation: 1 });
    await waitFor('people to be shown', async () => (await shown('quick')).current !== key);
    expect(performance.now() - asked).toBeLessThan(PODS_FIRST_MS - 500);
  });
});

describe('a leader that is killed between two steps', () => {
  /** Kills the operator in place of the `nth` write that `isMeant`. Gives whether it made as many. */
  async function rotateAndKill(name: string, uid: string, isMeant: (url: string) => boolean, nth: number) {
    let writes = 0;
    let isKilled = false;
    proxy.swallow = ({ url }) => {
      if (isKilled || !isMeant(url)) return false;
      writes += 1;
      if (writes < nth) return false;
      isKilled = true;
      process.kill(operator.process.pid, 'SIGKILL');
      return true;
    };
    await rotate(name, { generation: 1 });
    await waitFor('the kill, or the end', async () => isKilled || (await isOver(name, uid)));
    proxy.swallow = () => false;
    return isKilled;
  }

  const isOver = async (name: string, uid: string): Promise<boolean> => {
    const { credentials } = await config(uid);
    const found = await stream(name);
    const said = found.status?.credentials;
    const isEnded = credentials.revision === 2 && credentials.previous === null;
    const isSaid = said?.revision === 2 && said.previousExpiresAt === undefined;
    return isEnded && isSaid && (await shown(name)).previous === '' && hasCondition(found, 'Ready');
  };

  it.each([
    { step: 'pods are to learn the new key', nth: 1, of: (_: string, uid: string) => `/secrets/s-${uid}` },
    { step: 'it is noted that people may see it', nth: 2, of: (_: string, uid: string) => `/secrets/s-${uid}` },
    { step: 'pods are to forget the former key', nth: 3, of: (_: string, uid: string) => `/secrets/s-${uid}` },
    { step: 'people are to see the new key', nth: 1, of: (name: string) => `/secrets/${name}-ingest` },
    {
      step: 'people are to see that the former key has ended',
      nth: 2,
      of: (name: string) => `/secrets/${name}-ingest`,
    },
    { step: 'the status is to say so', nth: 1, of: (name: string) => `/livestreams/${name}/status` },
    { step: 'an Event is to say so', nth: 1, of: () => `/namespaces/${TENANT}/events` },
  ])('when $step: it ends in the same state, and nobody is shown a key that pods refuse', async ({ nth, of, step }) => {
    const name = `killed-${step.replaceAll(/[^a-z]/g, '').slice(-20)}-${nth}`;
    const { uid, key } = await ready(name, { credentials: { rotation: { overlap: '1500ms' } } });
    await using live = await publish(name, key);
    await waitFor('it to be live', async () => hasCondition(await stream(name), 'Live'));
    expect(await rotateAndKill(name, uid, (url) => url.includes(of(name, uid)), nth)).toBe(true);
    const { credentials } = await config(uid);
    expect([credentials.rtmpKey, credentials.previous?.rtmpKey]).toContain((await shown(name)).current);
    await operator[Symbol.asyncDispose]();
    // What a successor would wait fifteen seconds for.
    await run.client.remove(LEASES, { namespace: release.namespace, name: `${release.name}-operator` }, undefined);
    operator = await startOperator();
    await waitFor('the end', () => isOver(name, uid));
    const after = await config(uid);
    expect(after.credentials).toMatchObject({ revision: 2, previous: null, revokedBelow: 0 });
    expect(after.credentials.rtmpKey).not.toBe(key);
    expect(await shown(name)).toEqual({ current: after.credentials.rtmpKey, previous: '' });
    expect(live.isLive).toBe(true);
  });
});
