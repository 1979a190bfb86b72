import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AAC_48, AVC_720, drawn, header } from '../test/support/drawn-media.ts';
import { RtmpPlayer, RtmpPublisher } from '../test/support/rtmp-client.ts';
import type { RtmpConnection } from '../test/support/rtmp-connection.ts';
import { type InProcessServer, runServer } from '../test/support/running-server.ts';
import { TempDir } from '../test/support/temp-dir.ts';
import { waitFor } from '../test/support/wait-for.ts';
import type { RecordingView } from './recording-list.ts';

const SECRET = `---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: team}
stringData: {rtmpKey: first-key-0123, srtPassphrase: passphrase-0123}
`;
const cam = (spec: string, name = 'cam') => `---
apiVersion: headwater.dev/v1alpha1
kind: LiveStream
metadata: {name: ${name}, namespace: team}
spec: ${spec}
`;
const isOver = ({ socket }: RtmpConnection): boolean => socket.destroyed || socket.readableEnded;
const OWN_KEYS = '{credentials: {secretRef: {name: keys}}}';

describe('streams from a folder', () => {
  let dir: TempDir;
  let running: InProcessServer;
  beforeEach(() => {
    dir = new TempDir('streams');
  });
  afterEach(async () => {
    await running[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  });

  /** As an editor does it: another file under the same name. */
  function write(text: string, file = 'cams.yaml'): void {
    writeFileSync(dir.join('new'), text);
    renameSync(dir.join('new'), dir.join(file));
  }

  async function start(): Promise<void> {
    running = await runServer('--streams', dir.path);
  }

  async function publisher(query: string, path = 'team/cam'): Promise<RtmpPublisher> {
    const made = await RtmpPublisher.connect(`${running.rtmp}/${path}${query}`);
    await made.publish();
    for (const { type, timestamp, body } of [header(AVC_720), header(AAC_48), ...drawn('KapapapaK')])
      await made.send(type, timestamp, body);
    return made;
  }

  function refusal(query: string, path?: string): Promise<string> {
    return publisher(query, path).then(
      () => 'accepted',
      (error: { code?: string }) => error.code ?? String(error),
    );
  }

  const logged = (word: string) => running.log.filter((line) => line.includes(word));

  it('takes publishers with a key, and refuses all others in the same words', async () => {
    write(SECRET + cam(OWN_KEYS));
    await start();
    await using one = await publisher('?key=first-key-0123');
    const answers = [];
    for (const [query, path] of [
      ['', 'team/cam'],
      ['?key=not-the-one', 'team/cam'],
      ['?key=first-key-0123', 'team/other'],
      ['?key=first-key-0123', 'live/test'],
    ] as const) {
      answers.push(await refusal(query, path));
    }
    expect(answers).toEqual(Array(4).fill('NetStream.Publish.Denied'));
    expect(one.statuses.map(({ code }) => code)).toEqual(['NetStream.Publish.Start']);
    const metrics = await (await fetch(`${running.metrics}/metrics`)).text();
    expect(metrics).toContain('headwater_publications_refused_total{reason="ERR_AUTH_KEY"} 2');
    expect(metrics).toContain('headwater_publications_refused_total{reason="ERR_AUTH_UNKNOWN_PATH"} 2');
    expect(running.log.filter((line) => line.includes('first-key') || line.includes('not-the-one'))).toEqual([]);
  });

  it('lets people watch as the stream says', async () => {
    write(SECRET + cam('{credentials: {secretRef: {name: keys}}, playback: {protocols: [RTMP]}}'));
    await start();
    await using _one = await publisher('?key=first-key-0123');
    await using player = await RtmpPlayer.connect(`${running.rtmp}/team/cam`);
    expect((await fetch(`${running.http}/team/cam.flv`)).status).toBe(403);
    write(SECRET + cam('{credentials: {secretRef: {name: keys}}, playback: {protocols: [HTTPFLV]}}'));
    await waitFor('the viewer to be ended', () => isOver(player.connection));
    const response = await fetch(`${running.http}/team/cam.flv`);
    expect(response.status).toBe(200);
    await response.body!.cancel();
  });

  it.each([
    { name: 'suspended', change: () => write(SECRET + cam('{suspend: true, credentials: {secretRef: {name: keys}}}')) },
    { name: 'removed', change: () => write(SECRET) },
    { name: 'removed with its file', change: () => rmSync(dir.join('cams.yaml')) },
    {
      name: 'its key revoked',
      change: () =>
        write(
          SECRET.replace('first-key-0123', 'second-key-0123') +
            cam('{credentials: {secretRef: {name: keys}, rotation: {revokePrevious: true}}}'),
        ),
    },
  ])('cuts the publisher within a second when the stream is $name', async ({ change }) => {
    write(SECRET + cam(OWN_KEYS));
    await start();
    await using one = await publisher('?key=first-key-0123');
    const began = performance.now();
    change();
    await waitFor('the publisher to be cut', () => isOver(one.connection), { everyMs: 5 });
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(one.statuses.at(-1)?.code).toBe('NetStream.Publish.Denied');
    expect(await refusal('?key=first-key-0123')).toBe('NetStream.Publish.Denied');
  });

  it('turns a key without a cut: both are good for the overlap', async () => {
    write(SECRET + cam(OWN_KEYS));
    await start();
    await using one = await publisher('?key=first-key-0123');
    write(SECRET.replace('first-key-0123', 'second-key-0123') + cam(OWN_KEYS));
    await waitFor('the new key', () => logged('stream configured').length === 2);
    expect(isOver(one.connection)).toBe(false);
    await one.stop();
    for (const key of ['first-key-0123', 'second-key-0123']) await (await publisher(`?key=${key}`)).stop();
  });

  it('makes keys where the stream has none of its own, and writes down where to publish to', async () => {
    write(cam('{recording: {enabled: true}}'));
    await start();
    const file = join(running.dir, 'store/.spool/.streams/team.cam-ingest.yaml');
    await waitFor('the file', () => logged('URL to publish to written').length === 1);
    const url = /rtmpUrl: "(.*)"/.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
    expect(url).toMatch(/^rtmp:\/\/127\.0\.0\.1:\d+\/team\/cam\?key=[\w-]{32}$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await using _one = await publisher(new URL(url).search);
    expect(running.log.filter((line) => line.includes(new URL(url).searchParams.get('key')!))).toEqual([]);
  });

  it('says what is wrong with a file, and where, and goes on with what was good', async () => {
    write(SECRET + cam(OWN_KEYS));
    await start();
    await using one = await publisher('?key=first-key-0123');
    const problem = async (text: string) => {
      const before = logged('stream file not obeyed').length;
      write(text);
      await waitFor('the problem', () => logged('stream file not obeyed').length > before);
      return (JSON.parse(logged('stream file not obeyed').at(-1)!) as { problem: string }).problem;
    };
    expect(await problem(SECRET + cam('{ingest: {idleTimeout: 10}}'))).toMatch(
      /^cams\.yaml:10:30: spec\.ingest\.idleTimeout: /,
    );
    expect(await problem(SECRET + cam('{ingest: {idleTimeout: "10"}}'))).toBe(
      'cams.yaml:10:30: spec.ingest.idleTimeout has no unit: write 10s or 10ms',
    );
    expect(await problem(SECRET + cam('{recordng: {}}'))).toBe('cams.yaml:10:18: there is no field spec.recordng');
    expect(await problem(SECRET + cam('{credentials: {secretRef: {name: keyz}}}'))).toMatch(
      /^cams\.yaml:7:1: Secret keyz: There is no Secret keyz in the folder/,
    );
    expect(await problem(`${SECRET + cam(OWN_KEYS)}\n  - ]`)).toMatch(/^cams\.yaml:\d+:\d+: /);
    renameSync(dir.path, `${dir.path}-away`);
    await waitFor('the folder to be missed', () => logged('ENOENT').length > 0);
    mkdirSync(dir.path);
    rmSync(dir.path, { recursive: true });
    renameSync(`${dir.path}-away`, dir.path);
    expect(isOver(one.connection)).toBe(false);
  });

  it('begins, changes and ends the recording of a publisher that is live', async () => {
    const recorded = (recording: string) =>
      SECRET + cam(`{credentials: {secretRef: {name: keys}}, recording: ${recording}}`);
    write(recorded('{enabled: false}'));
    await start();
    await using one = await publisher('?key=first-key-0123');
    let ms = 1_000;
    const more = async (): Promise<void> => {
      for (const { type, timestamp, body } of drawn('KapapapapapapapapapaK', { fromMs: ms }))
        await one.send(type, timestamp, body);
      ms += 1_000;
    };
    const recordings = async () =>
      (await running.get<{ recordings: RecordingView[] }>('/api/v1/recordings/team/cam')).recordings;
    await more();
    expect(await recordings()).toEqual([]);
    const change = async (text: string, isDone: (list: RecordingView[]) => boolean) => {
      write(text);
      await waitFor(
        'the change',
        async () => {
          await more();
          return isDone(await recordings());
        },
        { everyMs: 20 },
      );
    };
    await change(
      recorded('{enabled: true, segmentDuration: 1s}'),
      (list) => list.length === 1 && list[0]!.segments > 0,
    );
    await change(recorded('{enabled: true, format: flv}'), (list) => list.length === 2 && list[1]!.segments > 0);
    await change(recorded('{enabled: false}'), (list) => list.every(({ state }) => state === 'stored'));
    const all = await recordings();
    expect(all.map(({ format }) => format)).toEqual(['fmp4', 'flv']);
    expect(new Set(all.map(({ recording }) => recording)).size).toBe(2);
    expect(all.flatMap(({ gaps }) => gaps)).toEqual([]);
    await more();
    expect(await recordings()).toHaveLength(2);
    expect(isOver(one.connection)).toBe(false);
    expect((await running.get<{ state: string }>('/api/v1/streams/team/cam')).state).toBe('live');
  });

  it('does not start without its folder', async () => {
    write(cam(OWN_KEYS));
    await start();
    await expect(runServer('--streams', dir.join('none'))).rejects.toMatchObject({ code: 'ERR_STREAMS_DIR' });
  });
});
