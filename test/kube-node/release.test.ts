import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CONDITION_TYPES } from '../../crds/conditions.ts';
import { API_VERSION } from '../../crds/names.ts';
import { type ManifestPage, parsePage } from '../../ingest/spool/manifest.ts';
import { ffmpeg } from '../support/ffmpeg.ts';
import { CHART } from '../support/kube/chart.ts';
import type { StreamObject } from '../support/kube/kube-api-run.ts';
import { ReleaseCluster } from '../support/kube/release-cluster.ts';
import { type Attempt, SteadyPublisher } from '../support/kube/steady-publisher.ts';
import { type BucketObject, Minio } from '../support/minio.ts';
import { framesIn } from '../support/numbered-stream.ts';
import { makeClip } from '../support/synthetic-media.ts';
import { waitFor } from '../support/wait-for.ts';

const PREVIOUS = path.join(import.meta.dirname, '..', 'fixtures', 'chart-previous.tgz');
const NAMESPACE = 'video';
const POD = 'hw-headwater-ingest-0';
const TENANT = 'team-a';
const CAMERAS = ['cam-1', 'cam-2', 'cam-3', 'cam-4'];
const PREFIX = 'pool';
const TOKEN = randomBytes(16).toString('hex');
const FPS = 25;
/** How long a status may be wrong after the operator is back, or after who publishes has changed. */
const STATUS_MS = 10_000;
/** Frames that may be on their way to a server that has ended a publication itself: it reads no more of them. */
const IN_FLIGHT = FPS;
const GONE_MS = 20_000;

let release: ReleaseCluster;
let minio: Minio;
const publishers: SteadyPublisher[] = [];
const stopPolling = new AbortController();
let polling: Promise<void> = Promise.resolve();

const kubectl = (...args: string[]): Promise<string> => release.kubectl(...args);
const values = (): string[] => {
  const set = [
    `store.url=s3://${minio.bucket}/${PREFIX}`,
    `store.endpoint=${minio.endpoint}`,
    'store.existingSecret=s3',
    'streams.recording.segmentDuration=2s',
    'ingest.apiTokenSecret=api',
    'ingest.service.tcp.type=NodePort',
    'srt.dedicatedPorts.enabled=true',
    'srt.dedicatedPorts.serviceType=NodePort',
    `ingest.publicHost=${release.cluster.address}`,
    // A machine of two cores runs the whole cluster beside.
    'ingest.resources.requests.cpu=100m',
  ];
  return set.flatMap((one) => ['--set', one]);
};

const stream = (name: string, recording: object = {}, ingest: object = {}): string =>
  JSON.stringify({
    apiVersion: API_VERSION,
    kind: 'LiveStream',
    metadata: { name, namespace: TENANT },
    spec: { ingest, recording: { enabled: true, ...recording } },
  });

beforeAll(async () => {
  release = await ReleaseCluster.start();
  minio = await Minio.start(release.cluster.address);
  await release.importProgram();
  await release.provideVolumes(NAMESPACE, [`spool-${POD}`]);
  for (const namespace of [NAMESPACE, TENANT]) await kubectl('create', 'namespace', namespace);
  const keys = [`accessKeyId=${minio.accessKeyId}`, `secretAccessKey=${minio.secretAccessKey}`];
  await kubectl('-n', NAMESPACE, 'create', 'secret', 'generic', 's3', ...keys.map((key) => `--from-literal=${key}`));
  await kubectl('-n', NAMESPACE, 'create', 'secret', 'generic', 'api', `--from-literal=token=${TOKEN}`);
  await release.helm('install', 'hw', PREVIOUS, '-n', NAMESPACE, '--wait', '--timeout', '3m', ...values());
}, 240_000);

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.log(await release.state(NAMESPACE));
});

afterAll(async () => {
  stopPolling.abort();
  await polling;
  for (const publisher of publishers) await publisher[Symbol.asyncDispose]();
  await minio?.[Symbol.asyncDispose]();
  await release?.[Symbol.asyncDispose]();
}, 120_000);

async function publishTo(name: string, clip: Awaited<ReturnType<typeof makeClip>>): Promise<SteadyPublisher> {
  await release.cluster.plane.apply(stream(name));
  await kubectl('-n', TENANT, 'wait', '--for=condition=Ready', `lstream/${name}`, '--timeout=60s');
  const url = await kubectl('-n', TENANT, 'get', 'secret', `${name}-ingest`, '-o', 'jsonpath={.data.rtmpUrl}');
  return new SteadyPublisher(`${TENANT}/${name}`, Buffer.from(url, 'base64').toString(), clip);
}

/** Asks the pod's API what has been acknowledged, wherever the pod is, until it is told to stop. */
async function pollAcknowledged(signal: AbortSignal): Promise<void> {
  let address: string | undefined;
  while (!signal.aborted) {
    address ??= await podAddress();
    for (const publisher of publishers) {
      if (address === undefined) break;
      const durable = await durableOf(address, publisher.path).catch(() => {
        address = undefined;
      });
      if (durable) publisher.acknowledge(durable);
    }
    await delay(address === undefined ? 500 : 50);
  }
}

const podAddress = async (): Promise<string | undefined> =>
  (await kubectl('-n', NAMESPACE, 'get', 'pod', POD, '-o', 'jsonpath={.status.podIP}').catch(() => '')) || undefined;

/** A stream as the API of its pod shows it, as far as it is looked at here. */
interface StreamView {
  readonly epoch: number | null;
  readonly publisher: { readonly since: string } | null;
  readonly recording: { readonly durable?: Attempt['durable'] | null } | null;
}

async function viewOf(address: string, streamPath: string): Promise<StreamView | undefined> {
  const answer = await fetch(`http://${address}:8080/api/v1/streams/${streamPath}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
    signal: AbortSignal.timeout(2000),
  });
  if (answer.status === 404) return void (await answer.body?.cancel());
  return (await answer.json()) as StreamView;
}

const durableOf = async (address: string, streamPath: string): Promise<Attempt['durable']> =>
  (await viewOf(address, streamPath))?.recording?.durable ?? undefined;

/** When the newest of the present publications began, once every status is about the one that its pod has; until then undefined. */
async function toldSince(): Promise<number | undefined> {
  const address = await podAddress();
  if (address === undefined) return undefined;
  const { items } = JSON.parse(await kubectl('-n', TENANT, 'get', 'lstream', '-o', 'json'));
  const since = await Promise.all(
    (items as StreamObject[]).map(async (object) => {
      const view = await viewOf(address, `${TENANT}/${object.metadata.name}`).catch(() => undefined);
      return view?.publisher && isToldOf(object, view) ? Date.parse(view.publisher.since) : undefined;
    }),
  );
  const known = since.filter((each) => each !== undefined);
  return known.length === CAMERAS.length ? Math.max(...known) : undefined;
}

/** Whether the status is about this publication, and all is well by each of its conditions. */
function isToldOf({ metadata, status }: StreamObject, { epoch }: StreamView): boolean {
  const isItsPublisher = status?.publisher?.pod === POD && status.publisher.epoch === epoch;
  const well = (status?.conditions ?? []).filter(
    (each) => each.status === 'True' && each.observedGeneration === metadata.generation,
  );
  return status?.phase === 'Live' && isItsPublisher && well.length === CONDITION_TYPES.length;
}

/** Every stream has an attempt after the `before`th, of which something was acknowledged. */
function allLive(before: readonly number[]): Promise<unknown> {
  return waitFor(
    'every publisher to be back and acknowledged',
    () => publishers.every(({ attempts }, i) => attempts.slice(before[i]).some(({ durable }) => durable !== undefined)),
    { timeoutMs: 60_000, everyMs: 100 },
  );
}

const attemptsSoFar = (): number[] => publishers.map(({ attempts }) => attempts.length);

async function podReady(): Promise<void> {
  await kubectl('-n', NAMESPACE, 'wait', '--for=condition=Ready', `pod/${POD}`, '--timeout=90s');
}

/** When each container of the release was started. */
const containersStarted = (): Promise<string> =>
  kubectl('-n', NAMESPACE, 'get', 'pod', '-o', 'jsonpath={.items[*].status.containerStatuses[*].state}');

const metric = async (name: string): Promise<number> => {
  const text = await fetch(`http://${await podAddress()}:9090/metrics`).then((answer) => answer.text());
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
};

/** What the bucket has of a publication: its manifest, and the numbers of the frames in the segments that are named there. */
async function storedOf(
  objects: readonly BucketObject[],
  pub: string,
): Promise<{ readonly pages: readonly ManifestPage[]; readonly frames: readonly number[] }> {
  const byKey = new Map(objects.map((object) => [object.key, object]));
  const pages = objects
    .filter(({ key }) => key.includes('/pub/') && key.includes(pub))
    .map(({ bytes }) => parsePage(bytes));
  const frames: number[] = [];
  for (const { key } of pages.flatMap(({ entries }) => entries)) {
    for (const { number } of await framesIn(byKey.get(`${PREFIX}/${key}`)!.bytes)) frames.push(number ?? Number.NaN);
  }
  return { pages, frames: frames.sort((a, b) => a - b) };
}

/**
 * Of frames that were sent and are not stored, those of which the manifest does not tell: they lie in no declared gap, and the
 * publication did not end in order before them.
 */
function untold(pages: readonly ManifestPage[], missing: readonly number[]): readonly number[] {
  const { sourceDtsOffset = 0, ended } = pages.at(-1)!;
  if (ended?.cause === 'shutdown' && missing.length <= IN_FLIGHT) return [];
  const gaps = pages.flatMap((page) => page.gaps);
  return missing.filter((ms) => {
    const at = ms * 90 - sourceDtsOffset;
    return !gaps.some(({ from, to = Number.POSITIVE_INFINITY }) => from <= at && at < to);
  });
}

describe('while four streams are recorded', () => {
  beforeAll(async () => {
    const clip = await makeClip({ fps: FPS, videoKbps: 300 });
    for (const name of CAMERAS) publishers.push(await publishTo(name, clip));
    polling = pollAcknowledged(stopPolling.signal);
    await allLive([0, 0, 0, 0]);
  }, 120_000);

  it('the pod is deleted while MinIO is down', { timeout: 150_000 }, async () => {
    await minio.down();
    await delay(5000);
    const before = attemptsSoFar();
    await kubectl('-n', NAMESPACE, 'delete', 'pod', POD, '--wait=true');
    await podReady();
    await allLive(before);
    await minio.up();
  });

  it('the container is killed', { timeout: 120_000 }, async () => {
    await delay(2000);
    const before = attemptsSoFar();
    await release.cluster.killContainer(NAMESPACE, POD, 'ingest');
    await allLive(before);
  });

  it('the operator is away, the release is upgraded from the chart before, and it is back', {
    timeout: 200_000,
  }, async () => {
    await kubectl('-n', NAMESPACE, 'scale', 'deployment/hw-headwater-operator', '--replicas=0');
    await kubectl(
      '-n',
      NAMESPACE,
      'wait',
      '--for=delete',
      'pod',
      '-l',
      'app.kubernetes.io/component=operator',
      '--timeout=60s',
    );
    const before = attemptsSoFar();
    await kubectl('-n', NAMESPACE, 'delete', 'pod', POD, '--wait=true');
    await allLive(before);

    const again = attemptsSoFar();
    const upgraded = release.helm(
      'upgrade',
      'hw',
      CHART,
      '-n',
      NAMESPACE,
      '--wait',
      '--timeout',
      '3m',
      ...values(),
      '--set',
      'drain.flush=20s',
    );
    const available = ['deployment/hw-headwater-operator', '-o', 'jsonpath={.status.availableReplicas}'];
    await waitFor('an operator', async () => Number(await kubectl('-n', NAMESPACE, 'get', ...available)) > 0, {
      timeoutMs: 120_000,
      everyMs: 200,
    });
    const backAt = Date.now();
    // The pool's pod may be replaced meanwhile: then it counts from when the new one has its publishers.
    const told = waitFor('every status to be right', toldSince, { timeoutMs: 120_000, everyMs: 200 });
    const right = told.then((since) => {
      const now = Date.now();
      return { sinceBackMs: now - backAt, sinceLiveMs: now - since };
    });
    const [{ sinceBackMs, sinceLiveMs }] = await Promise.all([right, upgraded]);
    const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
    console.log(
      `statuses right ${seconds(sinceBackMs)} after the operator is back, ${seconds(sinceLiveMs)} after all live`,
    );
    expect(Math.min(sinceBackMs, sinceLiveMs)).toBeLessThan(STATUS_MS);
    await allLive(again);
    await podReady();
    await waitFor('every status to be right still', toldSince, { timeoutMs: STATUS_MS, everyMs: 200 });
  });

  it('the kubelet is restarted, and nobody notices', { timeout: 60_000 }, async () => {
    const before = attemptsSoFar();
    const containers = await containersStarted();
    // The API server's times are of whole seconds.
    const restartedAt = Math.ceil(Date.now() / 1000) * 1000;
    await delay(restartedAt - Date.now());
    await release.cluster.restartKubelet();
    await waitFor('the node to be said ready by the new kubelet', async () => {
      const ready = '{.items[*].status.conditions[?(@.type=="Ready")]}';
      const { status, lastHeartbeatTime } = JSON.parse(await kubectl('get', 'node', '-o', `jsonpath=${ready}`));
      return status === 'True' && Date.parse(lastHeartbeatTime) >= restartedAt;
    });
    // What it would start again, it would by now.
    await delay(5000);
    expect(await containersStarted()).toBe(containers);
    expect(attemptsSoFar()).toEqual(before);
    expect(await toldSince()).toBeDefined();
  });

  it('everything that was acknowledged arrives, and whatever else is missing is declared', {
    timeout: 150_000,
  }, async () => {
    for (const publisher of publishers) await publisher.stop();
    stopPolling.abort();
    await polling;
    await waitFor(
      'an empty backlog',
      async () => (await metric('headwater_upload_backlog_segments').catch(() => 1)) === 0,
      { timeoutMs: 90_000, everyMs: 500 },
    );
    // The manifests follow the segments that they name.
    await waitFor(
      'nobody live, everything closed',
      async () =>
        (await kubectl('-n', TENANT, 'get', 'lstream', '-o', 'jsonpath={.items[*].status.phase}')) ===
        'Idle Idle Idle Idle',
      { timeoutMs: 30_000 },
    );
    await delay(2000);
    const objects = await minio.objects();
    let checked = 0;
    for (const { path: streamPath, attempts } of publishers) {
      const ends: (string | undefined)[] = [];
      for (const { durable, dtsOf } of attempts) {
        if (durable === undefined) continue;
        const { pages, frames } = await storedOf(objects, durable.pub);
        ends.push(pages.at(-1)!.ended?.cause);
        const acknowledged = dtsOf.filter((ms) => ms * 90 < durable.dts).length;
        expect(frames, `${streamPath} ${durable.pub}`).toEqual(frames.map((_, i) => i));
        expect(
          frames.length,
          `${streamPath} ${durable.pub}: frames stored of ${acknowledged} acknowledged`,
        ).toBeGreaterThanOrEqual(acknowledged);
        expect(acknowledged).toBeGreaterThan(0);
        expect(untold(pages, dtsOf.slice(frames.length)), `${streamPath} ${durable.pub}: times of lost frames`).toEqual(
          [],
        );
        checked += 1;
      }
      // The container was killed once; at the end the encoder has ended it in words.
      expect(ends.filter((cause) => cause === 'crash')).toHaveLength(1);
      expect(ends.at(-1)).toBe('unpublish');
    }
    console.log(`${checked} publications, ${publishers.flatMap(({ attempts }) => attempts).length} attempts`);
    expect(checked).toBeGreaterThanOrEqual(4 * CAMERAS.length);
  });
});

describe('a dedicated SRT port', () => {
  const name = 'encoder';
  const urlOf = async (): Promise<string> => {
    const url = await kubectl('-n', TENANT, 'get', 'secret', `${name}-ingest`, '-o', 'jsonpath={.data.srtUrl}');
    return Buffer.from(url, 'base64').toString();
  };
  const phase = (): Promise<string> =>
    kubectl('-n', TENANT, 'get', 'lstream', name, '-o', 'jsonpath={.status.phase} {.status.publisher.protocol}');

  it('takes a publisher without a stream id, and goes with its stream', { timeout: 90_000 }, async () => {
    await release.cluster.plane.apply(stream(name, {}, { dedicatedPort: true }));
    await kubectl('-n', TENANT, 'wait', '--for=condition=Ready', `lstream/${name}`, '--timeout=30s');
    const url = await waitFor('its URL', async () => ((await urlOf()).startsWith('srt://') ? urlOf() : undefined));
    expect(url).toMatch(new RegExp(`^srt://${release.cluster.address}:3\\d{4}\\?passphrase=`));
    const source = [
      '-re',
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=320x180:rate=25',
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
    ];
    const encode = () => ffmpeg([...source, '-g', '50', '-pix_fmt', 'yuv420p', '-f', 'mpegts', url]);
    let encoder = encode();
    await using _ = { [Symbol.asyncDispose]: () => encoder[Symbol.asyncDispose]() };
    await waitFor(
      'it to be live',
      async () => {
        // kube-proxy may need a moment for a new port, and ffmpeg gives up after 3 s: encoders try again.
        if (encoder.exit) encoder = encode();
        return (await phase()) === 'Live SRT';
      },
      { timeoutMs: 40_000, everyMs: 200 },
    );
    await kubectl('-n', TENANT, 'delete', 'lstream', name, '--timeout=30s');
    await encoder.wait(20_000);
    await waitFor('the Service of dedicated ports to be gone', async () => {
      const services = await kubectl('-n', NAMESPACE, 'get', 'service', '-o', 'name');
      return !services.includes('dedicated');
    });
  });
});

describe('deletion', () => {
  const keysOf = async (name: string): Promise<string[]> =>
    (await minio.keys()).filter((key) => key.startsWith(`${PREFIX}/${TENANT}/${name}/`));

  it('removes the recordings of a stream that says so, and no others', { timeout: 90_000 }, async () => {
    const before = await Promise.all(CAMERAS.map(keysOf));
    expect(before.every((keys) => keys.length > 3)).toBe(true);
    await kubectl(
      '-n',
      TENANT,
      'patch',
      'lstream',
      'cam-1',
      '--type=merge',
      '-p',
      JSON.stringify({ spec: { recording: { deletionPolicy: 'Delete' } } }),
    );
    await kubectl(
      '-n',
      TENANT,
      'wait',
      '--for=jsonpath={.status.effective.recording.deletionPolicy}=Delete',
      'lstream/cam-1',
      '--timeout=10s',
    );
    await kubectl('-n', TENANT, 'delete', 'lstream', 'cam-1', '--timeout=30s');
    await waitFor('its recordings to be gone', async () => (await keysOf('cam-1')).length === 0, {
      timeoutMs: 30_000,
      everyMs: 250,
    });
    expect(await Promise.all(CAMERAS.slice(1).map(keysOf))).toEqual(before.slice(1));
    await waitFor(
      'the tombstone to be gone',
      async () =>
        (await kubectl(
          '-n',
          `${NAMESPACE}-hw-runtime`,
          'get',
          'secret',
          '--field-selector',
          'type=headwater.dev/tombstone',
          '-o',
          'name',
        )) === '',
    );
  });

  it('uninstall leaves CRDs, LiveStreams and objects; then they and their namespaces go at once', {
    timeout: 180_000,
  }, async () => {
    const objects = await minio.keys();
    await release.helm('uninstall', 'hw', '-n', NAMESPACE, '--wait', '--timeout', '2m');
    expect((await kubectl('get', 'crd', '-o', 'name')).match(/headwater\.dev/g)).toHaveLength(2);
    expect((await kubectl('get', 'lstream', '-A', '-o', 'name')).trim().split('\n')).toHaveLength(CAMERAS.length - 1);
    expect(await minio.keys()).toEqual(objects);

    const began = performance.now();
    await kubectl('delete', 'lstream', '--all', '-A');
    await kubectl('delete', 'namespace', TENANT, NAMESPACE, `${NAMESPACE}-hw-runtime`);
    const took = performance.now() - began;
    console.log(`LiveStreams and namespaces gone in ${(took / 1000).toFixed(1)} s`);
    expect(took).toBeLessThan(GONE_MS);
    expect(await minio.keys()).toEqual(objects);
  });
});
