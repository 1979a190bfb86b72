import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { AAC_48, AVC_720, drawn, header } from '../test/support/drawn-media.ts';
import { filesBelow } from '../test/support/recording.ts';
import { RtmpPlayer, RtmpPublisher } from '../test/support/rtmp-client.ts';
import { runServer } from '../test/support/running-server.ts';
import { TempDir } from '../test/support/temp-dir.ts';
import { waitFor } from '../test/support/wait-for.ts';
import type { LifecycleEvent } from './observe/lifecycle-feed.ts';
import type { RecordingView } from './recording-list.ts';

/** Sends letters as they come: faster than real time. */
async function send(publisher: RtmpPublisher, letters: string, fromMs = 0): Promise<void> {
  const headers = fromMs === 0 ? [header(AVC_720), header(AAC_48)] : [];
  for (const { type, timestamp, body } of [...headers, ...drawn(letters, { fromMs })]) {
    await publisher.send(type, timestamp, body);
  }
}

/** Two seconds with a keyframe each. */
const MEDIA = 'KapapapapapapapapapaKapapapapapapapapapa';

/** Server-sent events as they come. */
async function listen(url: string, signal: AbortSignal): Promise<LifecycleEvent[]> {
  const events: LifecycleEvent[] = [];
  const response = await fetch(url, { signal });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  void (async () => {
    let text = '';
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const blocks = text.split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) events.push(JSON.parse(data));
      }
    }
  })().catch(() => {});
  return events;
}

describe('a running server', () => {
  it('tells what happens to streams and recordings, and lists recordings', async () => {
    await using running = await runServer('--segment-duration', '1s');
    using stop = new (class extends AbortController {
      [Symbol.dispose](): void {
        this.abort();
      }
    })();
    const events = await listen(`${running.http}/api/v1/events`, stop.signal);
    const others = await listen(`${running.http}/api/v1/events?path=live/other`, stop.signal);
    await using publisher = await RtmpPublisher.connect(`${running.rtmp}/live/test`);
    await publisher.publish();
    await send(publisher, MEDIA);
    await using player = await RtmpPlayer.connect(`${running.rtmp}/live/test`);
    const live = await waitFor('a live recording', async () => {
      const { recordings } = await running.get<{ recordings: RecordingView[] }>('/api/v1/recordings/live/test');
      return recordings.find(({ segments }) => segments > 0);
    });
    expect(live).toMatchObject({ path: 'live/test', state: 'live', format: 'fmp4', ended: null, gapCount: 0 });
    player.destroy();
    await waitFor('the viewer to have left', () => events.some(({ type }) => type === 'viewer-left'));
    await publisher.stop();
    const stored = await waitFor('the recording to be stored', async () => {
      const { recordings } = await running.get<{ recordings: RecordingView[] }>('/api/v1/recordings');
      return recordings.find(({ state }) => state === 'stored');
    });
    expect(stored).toMatchObject({ pub: live.pub, segments: 2, pending: { segments: 0, bytes: 0 } });
    expect(stored.seconds).toBeCloseTo(2, 1);
    expect(stored.ended?.cause).toBe('unpublish');
    expect(filesBelow(join(running.dir, 'store', stored.folder.slice(0, -1)))).toContain('recording.json');
    expect(await running.get('/api/v1/recordings/live/nobody')).toEqual({ recordings: [] });

    const of = (type: LifecycleEvent['type']) => events.filter((event) => event.type === type);
    await waitFor('the last segment to be told', () => of('segment-stored').length === 2);
    const about = { path: 'live/test', pub: live.pub };
    expect(of('publication-started')).toMatchObject([{ ...about, protocol: 'rtmp', conn_id: 'c000001' }]);
    expect(of('viewer-joined')).toMatchObject([{ path: 'live/test', viewers: 1 }]);
    expect(of('viewer-left')).toMatchObject([{ path: 'live/test', viewers: 0, reason: 'left' }]);
    expect(of('publication-ended')).toMatchObject([{ ...about, cause: 'unpublish' }]);
    expect(of('segment-closed')).toMatchObject([
      { ...about, seq: 1 },
      { ...about, seq: 2 },
    ]);
    expect(of('segment-stored')).toMatchObject([
      { ...about, seq: 1 },
      { ...about, seq: 2 },
    ]);
    expect(others).toEqual([]);
  });

  it('never says a secret of a URL: not in logs of level debug, the API, metrics, or files', async () => {
    await using running = await runServer('--segment-duration', '1s', '--on-duplicate', 'Reject');
    const secrets = [
      'hunter2',
      'pa55word',
      't0ken-a',
      't0ken-b',
      'k3y-c',
      'jwt-d',
      'unknown-e',
      'view-f',
      'flv-g',
      'bad-h',
      'enc-i',
    ];
    const host = running.rtmp.slice('rtmp://'.length);
    const connectFields = { tcUrl: `rtmp://hunter2:pa55word@${host}/live?token=t0ken-a`, app: 'live?token=t0ken-b' };
    const url = `${running.rtmp}/live/test?key=k3y-c&jwt=jwt-d&signature=unknown-e`;
    await using publisher = await RtmpPublisher.connect(url, { connectFields });
    await publisher.publish();
    await send(publisher, MEDIA);
    await using second = await RtmpPublisher.connect(url, { connectFields });
    await expect(second.publish()).rejects.toThrow('BadName');
    await using bad = await RtmpPublisher.connect(`${running.rtmp}/live/..?password=bad-h`);
    await expect(bad.publish()).rejects.toThrow();
    await using encoded = await RtmpPublisher.connect(`${running.rtmp}/live/enc%3Ftoken%3Denc-i`);
    await encoded.publish();
    await using _player = await RtmpPlayer.connect(`${running.rtmp}/live/test?password=view-f`);
    const flv = await fetch(`${running.http}/live/test.flv?token=flv-g`);
    await flv.body!.cancel();
    const hidden = await fetch(`${running.http}/live/test%3Ftoken=flv-g.flv`);
    expect(hidden.status).toBe(404);
    const seen = [
      await (await fetch(`${running.http}/api/v1/streams`)).text(),
      await (await fetch(`${running.http}/api/v1/recordings`)).text(),
      await (await fetch(`${running.metrics}/metrics`)).text(),
    ];
    expect(seen[0]).toContain('"path":"live/test"');
    await publisher.stop();
    await running.server.stop();
    const files = filesBelow(running.dir);
    expect(files.some((file) => file.endsWith('.mp4'))).toBe(true);
    seen.push(...running.log, ...files, ...files.map((file) => readFileSync(join(running.dir, file), 'latin1')));
    expect(running.log.length).toBeGreaterThan(20);
    for (const secret of secrets) expect(seen.filter((text) => text.includes(secret))).toEqual([]);
  });

  it('answers the API with its token only, and nobody while the file is empty', async () => {
    using dir = new TempDir('token');
    const file = dir.join('token');
    writeFileSync(file, '\n');
    await expect(runServer('--record-all=false', '--api-token-file', file)).rejects.toThrow('is empty');
    writeFileSync(file, 'abc\n');
    await using running = await runServer('--record-all=false', '--api-token-file', file);
    const status = async (authorization?: string): Promise<number> => {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      return (await fetch(`${running.http}/api/v1/streams`, { headers })).status;
    };
    expect(await status()).toBe(403);
    expect(await status('Bearer abd')).toBe(403);
    expect(await status('Bearer abc')).toBe(200);
    writeFileSync(file, '');
    expect(await Promise.all([status(), status('Bearer '), status('Bearer abc')])).toEqual([403, 403, 403]);
    writeFileSync(file, 'new');
    expect(await status('Bearer new')).toBe(200);
    expect(running.log.filter((line) => line.includes('API closed')).length).toBe(1);
  });

  it('tells who waits for a stream that it stops', async () => {
    await using running = await runServer('--record-all=false');
    const waiting = fetch(`${running.http}/live/later.flv`);
    await waitFor('the viewer', async () => (await running.get<{ streams: unknown[] }>('/api/v1/streams')).streams[0]);
    const stopped = running.server.stop();
    const response = await waiting;
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'ERR_HTTP_STOPPING' });
    await stopped;
  });

  it('leaves nothing behind: no timer, no socket, no descriptor', async () => {
    const round = async (isStopped: boolean): Promise<void> => {
      await using running = await runServer('--segment-duration', '1s');
      await using publisher = await RtmpPublisher.connect(`${running.rtmp}/live/test`);
      await publisher.publish();
      await send(publisher, MEDIA);
      await using _player = await RtmpPlayer.connect(`${running.rtmp}/live/test`);
      const leaving = new AbortController();
      const open = await Promise.all(
        ['/live/test.flv', '/api/v1/events'].map((url) => fetch(running.http + url, { signal: leaving.signal })),
      );
      const waiting = fetch(`${running.http}/live/nobody.flv`).catch(() => {});
      await waitFor(
        'three viewers',
        async () => (await running.get<{ streams: unknown[] }>('/api/v1/streams')).streams[1],
      );
      if (isStopped) await running.server.stop();
      else await running.server[Symbol.asyncDispose]();
      leaving.abort();
      await Promise.all([waiting, ...open.map((response) => response.body?.cancel().catch(() => {}))]);
    };
    const left = async (): Promise<{ resources: number; descriptors: number }> => {
      await delay(100);
      const resources = process.getActiveResourcesInfo().filter((name) => /^(Timeout|Immediate|TCP)/.test(name));
      return { resources: resources.length, descriptors: readdirSync('/proc/self/fd').length };
    };
    await round(true); // starts the thread that sums files, and connections that `fetch` keeps
    const before = await left();
    await round(true);
    await round(false);
    await waitFor('all to be closed', async () => {
      const { resources, descriptors } = await left();
      return resources <= before.resources && descriptors <= before.descriptors;
    });
  });

  it('says which sequence headers a viewer was really sent, and a change of codec', async () => {
    await using running = await runServer('--record-all=false');
    await using publisher = await RtmpPublisher.connect(`${running.rtmp}/live/test`);
    await publisher.publish();
    await send(publisher, MEDIA);
    // Track 1 of video by multitrack: H.264, sequence start.
    await publisher.send(9, 2000, Buffer.concat([Buffer.from('96006176633101', 'hex'), AVC_720.subarray(5)]));
    await publisher.send(8, 2000, Buffer.from('\x90Opus', 'latin1'));
    await publisher.send(8, 2020, Buffer.from('\x91Opus\xfc\xff\xfe', 'latin1'));
    const detected = () => running.log.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'Codecs detected');
    await waitFor('the change to be logged', () => detected().length > 1);
    expect(detected().at(-1)).toMatchObject({ videoCodec: 'h264', audioCodec: 'opus' });
    await send(publisher, MEDIA, 3000);
    await waitFor('all of it to be read', async () => {
      const view = await (await fetch(`${running.http}/api/v1/streams/live/test`)).json();
      return (view as { tracks: { frames: number }[] }).tracks[0]!.frames === 2 * MEDIA.replaceAll('a', '').length;
    });
    await using _player = await RtmpPlayer.connect(`${running.rtmp}/live/test`);
    await using _full = await RtmpPlayer.connect(`${running.rtmp}/live/test`, { multitrack: true });
    const sent = (conn: string) =>
      running.log
        .map((line) => JSON.parse(line))
        .filter(({ msg, conn_id }) => conn_id === conn && msg.startsWith('Sent cached'))
        .map(({ msg }) => msg.split(' ')[2]);
    await waitFor('the headers', () => sent('c000003').length > 2 && sent('c000002').length > 1);
    expect(sent('c000002')).toEqual(['video', 'audio']);
    expect(sent('c000003')).toEqual(['video', 'video', 'audio']);
  });
});
