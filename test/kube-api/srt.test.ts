import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeObject } from '../../kube/kube-object.ts';
import { SECRETS, SERVICES } from '../../kube/resource.ts';
import { LIVE_STREAMS } from '../../operator/watch/resources.ts';
import { clip } from '../support/clips.ts';
import type { IngestPod } from '../support/kube/ingest-pod.ts';
import { hasCondition, KubeApiRun, type StreamObject } from '../support/kube/kube-api-run.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import type { TestProcess } from '../support/process.ts';
import { publishSrt, refusalOf } from '../support/srt-programs.ts';
import { waitFor } from '../support/wait-for.ts';

const TENANT = 'team-a';
const DEDICATED = 20_000;
/** A publisher is cut within a second; ffmpeg takes its time to notice. */
const ENDED_MS = 8_000;

type Service = KubeObject & { readonly spec: { readonly ports: readonly object[] } };

let run: KubeApiRun;
let release: Release;
let operator: OperatorReplica;
let pod: IngestPod;
let media: string;

beforeAll(async () => {
  media = await clip('h264-small');
  run = await KubeApiRun.start('srt', { addresses: 1 });
  await run.plane.kubectl('create', 'namespace', TENANT);
  release = await run.install({
    set: [
      'streams.protocols={RTMP,SRT}',
      'srt.dedicatedPorts.enabled=true',
      'srt.dedicatedPorts.serviceType=ClusterIP',
      `ingest.publicHost=${run.addresses[0]}`,
    ],
  });
  operator = await (await release.operator()).waitUntilReady();
  pod = await release.ingest(0, run.addresses[0]!);
});
afterAll(async () => {
  await pod?.[Symbol.asyncDispose]();
  await operator?.[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

const stream = (name: string): Promise<StreamObject> => run.stream(TENANT, name);

/** Of the Secret for the people who publish. */
async function shown(name: string): Promise<{ readonly srtUrl: string; readonly srtPassphrase: string }> {
  const { data } = await run.client.get<KubeObject & { readonly data: Readonly<Record<string, string>> }>(SECRETS, {
    ...{ namespace: TENANT, name: `${name}-ingest` },
  });
  const decode = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString('utf8');
  return { srtUrl: decode('srtUrl'), srtPassphrase: decode('srtPassphrase') };
}

/** Makes it, and gives the URL to publish to when it is ready. */
async function ready(name: string, spec: object): Promise<string> {
  await run.createStream(TENANT, name, spec);
  await waitFor(`${name} to be ready`, async () => hasCondition(await stream(name), 'Ready'));
  return (await shown(name)).srtUrl;
}

/** A camera: it goes on until somebody ends it. */
const publish = (url: string): TestProcess => publishSrt(media, url, { input: ['-stream_loop', '-1'] });

const liveOverSrt = (name: string): Promise<StreamObject> =>
  waitFor(`${name} to be live`, async () => {
    const now = await stream(name);
    return now.status?.phase === 'Live' && now.status.publisher?.protocol === 'SRT' && now;
  });

/** Raises the generation. Gives the new URL. */
async function rotate(name: string, before: string): Promise<string> {
  const spec = { credentials: { rotation: { generation: 1 } } };
  await run.client.merge(LIVE_STREAMS, { namespace: TENANT, name }, { spec });
  await waitFor('the new URL', async () => (await shown(name)).srtUrl !== before);
  return (await shown(name)).srtUrl;
}

describe('SRT in a cluster', () => {
  it('is published to by the URL in the Secret, and by it alone', async () => {
    const url = await ready('cam', { ingest: { srt: { latency: '200ms', keyLength: 16 } } });
    const { srtPassphrase } = await shown('cam');
    expect(srtPassphrase).toMatch(/^[\w-]{32}$/);
    const publicUrl = `srt://${pod.address}:10080?streamid=publish:${TENANT}/cam`;
    expect(url).toBe(`${publicUrl}&passphrase=${srtPassphrase}&pbkeylen=16`);
    expect((await stream('cam')).status?.endpoints?.srt).toBe(publicUrl);
    await using camera = publish(url);
    const { status } = await liveOverSrt('cam');
    expect(status?.publisher).toMatchObject({ pod: pod.name, protocol: 'SRT' });
    await waitFor('its codec', async () => (await stream('cam')).status?.publisher?.video?.startsWith('h264'));
    await using stranger = publish(url.replace(srtPassphrase, 'a-passphrase-of-nobody'));
    await refusalOf(stranger);
    await using lost = publish(url.replace(`${TENANT}/cam`, `${TENANT}/other`));
    await lost.wait(ENDED_MS);
    expect(pod.log.all('SRT caller refused').map(({ reject }) => reject)).toEqual([1010, 2404]);
    expect(camera.exit).toBeUndefined();
  });

  it('has no URL where the stream does not offer it', async () => {
    expect(await ready('rtmp-only', { ingest: { protocols: ['RTMP'] } })).toBe('');
    expect((await shown('rtmp-only')).srtPassphrase).toBe('');
  });

  it('goes on over a rotation and the end of its overlap; the former URL works no more then', async () => {
    const former = await ready('turned', { credentials: { rotation: { overlap: '3s' } } });
    await using camera = publish(former);
    await liveOverSrt('turned');
    await rotate('turned', former);
    const expires = async () => (await stream('turned')).status?.credentials?.previousExpiresAt;
    await waitFor('the overlap to begin', async () => (await expires()) !== undefined);
    await waitFor('the end of the overlap', async () => (await expires()) === undefined);
    await waitFor('the pod to have heard', async () => hasCondition(await stream('turned'), 'Programmed'));
    await using late = publish(former);
    await refusalOf(late);
    expect((await liveOverSrt('turned')).status?.phase).toBe('Live');
    expect(camera.exit).toBeUndefined();
  });

  it('lets the former URL and the new one in within the overlap', async () => {
    const spec = { credentials: { rotation: { overlap: '1h' } }, ingest: { onDuplicate: 'TakeOver' } };
    const former = await ready('back', spec);
    const present = await rotate('back', former);
    await using camera = publish(former);
    await liveOverSrt('back');
    await waitFor('the status', async () => (await stream('back')).status?.credentials?.previousInUse === true);
    await using next = publish(present);
    await waitFor('the status', async () => (await stream('back')).status?.credentials?.previousInUse === false);
    await camera.wait(ENDED_MS);
    expect((await liveOverSrt('back')).status?.phase).toBe('Live');
    expect(next.exit).toBeUndefined();
  });
});

describe('a dedicated port', () => {
  it('leads to its stream without a stream id, says where it cannot be opened, and goes with its stream', async () => {
    const holder = createSocket('udp4').bind(DEDICATED, pod.address);
    await once(holder, 'listening');
    await run.createStream(TENANT, 'encoder', { ingest: { dedicatedPort: true } });
    const programmed = async () =>
      (await stream('encoder')).status?.conditions?.find(({ type }) => type === 'Programmed') as
        | { readonly reason: string; readonly message: string }
        | undefined;
    await waitFor('the problem to show', async () => (await programmed())?.reason === 'RejectedByPod');
    expect((await programmed())!.message).toContain(
      `${pod.name}: its dedicated UDP port ${DEDICATED} cannot be opened`,
    );
    await new Promise((resolve) => holder.close(() => resolve(undefined)));
    await waitFor('it to be ready', async () => hasCondition(await stream('encoder'), 'Ready'));

    const service = { namespace: release.namespace, name: `${release.name}-srt-dedicated` };
    const { ports } = (await run.client.get<Service>(SERVICES, service)).spec;
    expect(ports).toMatchObject([{ port: DEDICATED, targetPort: DEDICATED, protocol: 'UDP' }]);
    const { srtUrl, srtPassphrase } = await shown('encoder');
    expect(srtUrl).toBe(`srt://${pod.address}:${DEDICATED}?passphrase=${srtPassphrase}&pbkeylen=32`);
    await using encoder = publish(srtUrl);
    await liveOverSrt('encoder');
    await run.client.remove(LIVE_STREAMS, { namespace: TENANT, name: 'encoder' }, undefined);
    await encoder.wait(ENDED_MS);
    const gone = async () => !(await run.list<Service>(SERVICES, release.namespace)).some(isDedicated);
    const isDedicated = ({ metadata }: Service): boolean => metadata.name === service.name;
    await waitFor('the Service to be gone', gone);
    // Whoever wants the port has it.
    const next = createSocket('udp4').bind(DEDICATED, pod.address);
    await once(next, 'listening');
    next.close();
  });
});
