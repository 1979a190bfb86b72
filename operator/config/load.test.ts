import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadOperatorConfig } from './load.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), 'operator-config-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const load = (argv: string[], env: Record<string, string> = {}, own?: string) =>
  loadOperatorConfig({ argv, env, cwd, isTerminal: false }, async () => own);
const withFile = async (text: string, ...argv: string[]) => {
  await writeFile(path.join(cwd, 'operator.yaml'), text);
  return load(['--config', 'operator.yaml', ...argv]);
};

describe('loadOperatorConfig', () => {
  it('needs nothing: names follow from release and namespace', async () => {
    const config = await load([], {}, 'media');
    expect(config).toMatchObject({
      namespace: 'media',
      runtimeNamespace: 'media-headwater-runtime',
      watchNamespaces: [],
      pool: { name: 'default', allowedNamespaces: ['*'] },
      ingest: {
        services: { tcp: 'headwater-tcp', udp: 'headwater-udp' },
        podLabels: { 'app.kubernetes.io/instance': 'headwater' },
      },
      rotation: { podsFirst: 60_000 },
      metrics: { listen: { port: 8081 } },
      log: { level: 'info', format: 'json' },
    });
    expect(config.identity).not.toBe('');
  });

  it('reads the file that the chart writes', async () => {
    const config = await withFile(
      `release: hw
namespace: media
watchNamespaces: [team-a, team-b]
pool:
  name: studio
  maxStreamsPerNamespace: 10
  srt: {latency: 200ms, dedicatedPorts: {from: 20000, to: 20049}}
  store: {url: s3://video/live, endpoint: "http://minio:9000"}
ingest:
  publicHost: live.example.com
  publicPorts: {rtmp: 30935}
  podLabels: "app=ingest, tier=edge"
`,
    );
    expect(config).toMatchObject({
      runtimeNamespace: 'media-hw-runtime',
      watchNamespaces: ['team-a', 'team-b'],
      pool: { name: 'studio', maxStreamsPerNamespace: 10, srt: { latency: 200, dedicatedPorts: { from: 20_000 } } },
      ingest: {
        publicHost: 'live.example.com',
        publicPorts: { rtmp: 30_935, srt: null },
        podLabels: { app: 'ingest', tier: 'edge' },
      },
    });
  });

  it('takes flags before the environment before the file', async () => {
    await writeFile(path.join(cwd, 'operator.yaml'), 'release: a\nnamespace: a\nwatchNamespaces: [a]\n');
    const config = await load(['--config', 'operator.yaml', '--release', 'c'], {
      HEADWATER_RELEASE: 'b',
      HEADWATER_NAMESPACE: 'b',
      HEADWATER_WATCH_NAMESPACES: 'x, y',
    });
    expect(config).toMatchObject({ release: 'c', namespace: 'b', watchNamespaces: ['x', 'y'] });
  });

  it.each([
    ['pool: {srt: {latency: 5}}', 'operator.yaml:1:7: pool srt.latency: '],
    ['pool: {nmae: x}', 'pool : Unrecognized key: "nmae"'],
    ['pool: {srt: {dedicatedPorts: {from: 20010, to: 20000}}}', 'pool.srt.dedicatedPorts: from is above to'],
    ['ingest: {publicPorts: {rtmp: 70000}}', 'must lie between 1 and 65535'],
    ['ingest: {podLabels: app}', 'ingest.podLabels must be name=value with commas between'],
    ['reelase: x', 'unknown key reelase; the nearest is release'],
    ['watchNamespaces: {a: b}', 'must be names with commas between'],
  ])('%s: says what is wrong', async (text, message) => {
    await expect(withFile(text)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining(message),
    });
  });
});
