import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { StreamView } from '../../test/support/api-types.ts';
import { messages, tsFixture } from '../../test/support/payload-run.ts';
import { type InProcessServer, runServer } from '../../test/support/running-server.ts';
import { SrtCaller } from '../../test/support/srt-caller.ts';
import { TempDir } from '../../test/support/temp-dir.ts';
import { waitFor } from '../../test/support/wait-for.ts';

/** A server with these settings, which records nothing. */
async function serverWith(yaml: string): Promise<InProcessServer & { readonly srt: number }> {
  using dir = new TempDir('srt-server');
  const file = dir.join('headwater.yaml');
  writeFileSync(file, yaml);
  const running = await runServer('--record-all=false', '--config', file);
  return Object.assign(running, { srt: running.server.ports.srt! });
}

/** Until a caller that waits for its answer is known to the server. */
const asksToWatch = ({ log }: { readonly log: readonly string[] }) =>
  waitFor('somebody to ask', () => log.some((line) => line.includes('play command')));

const refusedWith = (words: string) => ({ code: 'ERR_SRT_REFUSED', message: expect.stringContaining(words) });

describe('SRT callers', () => {
  it('are refused beyond the sessions of their address, and let in when there is room again', async () => {
    await using running = await serverWith('limits: {sessionsPerAddress: 1}');
    await using first = await SrtCaller.connect(running.srt, { streamId: 'publish:live/a' });
    const second = SrtCaller.connect(running.srt, { streamId: 'publish:live/b' });
    await expect(second).rejects.toMatchObject(refusedWith('overload (2402)'));
    await first.close();
    await using third = await SrtCaller.connect(running.srt, { streamId: 'publish:live/b' });
    expect(await third.close()).toBe('local');
  });

  it('keep nobody out while they wait for a publisher', async () => {
    await using running = await serverWith('limits: {srtHalfOpen: 1}\nsrt: {waitForPublisher: 20s}');
    const waiting = [SrtCaller.connect(running.srt, { streamId: 'read:live/a' })];
    await asksToWatch(running);
    waiting.push(SrtCaller.connect(running.srt, { streamId: 'read:live/a' }));
    await waitFor('both', () => running.log.filter((line) => line.includes('play command')).length === 2);
    await using publisher = await SrtCaller.connect(running.srt, { streamId: 'publish:live/a' });
    const viewers = await Promise.all(waiting);
    await publisher.close();
    expect(await Promise.all(viewers.map(({ closed }) => closed))).toEqual(['shutdown', 'shutdown']);
  });

  it('wait for a publisher, and get in when one comes', async () => {
    await using running = await serverWith('srt: {waitForPublisher: 2s}');
    const waiting = SrtCaller.connect(running.srt, { streamId: 'read:live/a' });
    await asksToWatch(running);
    await using publisher = await SrtCaller.connect(running.srt, { streamId: 'publish:live/a', latencyMs: 400 });
    await using viewer = await waiting;
    const view = await running.get<StreamView>('/api/v1/streams/live/a');
    expect(view.viewers).toMatchObject({
      count: 1,
      srt: [{ conn_id: 's000001', latency: 120, peer_version: '1.5.4' }],
    });
    expect(view.publisher).toMatchObject({ conn_id: 's000002', protocol: 'srt', srt: { latency: 400 } });
    await publisher.close();
    expect(await viewer.closed).toBe('shutdown');
  });

  it('who give up while they wait leave nothing behind', async () => {
    await using running = await serverWith('srt: {waitForPublisher: 20s}');
    const timeoutMs = 1000;
    const gaveUp = SrtCaller.connect(running.srt, { streamId: 'read:live/a', timeoutMs });
    await expect(gaveUp).rejects.toMatchObject({ code: 'ERR_SRT_NO_ANSWER' });
    expect(await running.get('/api/v1/streams')).toMatchObject({ streams: [{ path: 'live/a' }] });
    await expect.poll(() => running.get('/api/v1/streams')).toEqual({ streams: [] });
    expect(running.log.some((line) => line.includes('ERR_SRT_GAVE_UP'))).toBe(true);
  });

  it('are told when the server stops: those who wait, those who publish', async () => {
    await using running = await serverWith('srt: {waitForPublisher: 20s}');
    await using publisher = await SrtCaller.connect(running.srt, { streamId: 'publish:live/a' });
    const waiting = SrtCaller.connect(running.srt, { streamId: 'read:live/b' });
    const refused = expect(waiting).rejects.toMatchObject(refusedWith('down (2503)'));
    await asksToWatch(running);
    await running.server.stop();
    await refused;
    expect(await publisher.closed).toBe('shutdown');
  });

  it('with a small MTU are sent smaller messages', async () => {
    await using running = await serverWith('');
    await using publisher = await SrtCaller.connect(running.srt, { streamId: 'publish:live/a' });
    await using viewer = await SrtCaller.connect(running.srt, { streamId: 'read:live/a', mtu: 1200 });
    for (const message of messages(tsFixture('h264-aac'))) publisher.send(message);
    await waitFor('media', () => viewer.received.length > 2);
    expect(Math.max(...viewer.received.map(({ length }) => length))).toBe(188 * 6);
    expect(viewer.isClosed).toBe(false);
  });

  it('with a MTU that no packet of media fits into are refused', async () => {
    await using running = await serverWith('');
    const tiny = SrtCaller.connect(running.srt, { streamId: 'read:live/a', mtu: 240 });
    await expect(tiny).rejects.toMatchObject(refusedWith('rogue'));
  });

  it('who publish nothing are let go', async () => {
    await using running = await serverWith('limits: {publisherMedia: 500ms}');
    await using publisher = await SrtCaller.connect(running.srt, { streamId: 'publish:live/a' });
    expect(await publisher.closed).toBe('shutdown');
    expect(running.log.some((line) => line.includes('ERR_PUBLISHER_NO_MEDIA'))).toBe(true);
  });
});
