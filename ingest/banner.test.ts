import { describe, expect, it } from 'vitest';
import { banner } from './banner.ts';
import { loadConfig } from './config/load.ts';

const PORTS = { rtmp: 1935, rtmps: 443, srt: 10080, http: 8080 };

async function show(...argv: string[]): Promise<string> {
  const config = await loadConfig({ argv, env: {}, cwd: '/srv', isTerminal: true });
  return banner(config, PORTS, '9.9.9');
}

describe('banner', () => {
  it('has lines to paste', async () => {
    const text = await show();
    expect(text).toContain('Headwater 9.9.9');
    expect(text).toContain('Server rtmp://localhost:1935/live   Stream key test');
    expect(text).toContain('ffmpeg -re -i input.mp4 -c copy -f flv rtmp://localhost:1935/live/test');
    expect(text).toContain('ffplay rtmp://localhost:1935/live/test');
    expect(text).toContain('vlc rtmp://localhost:1935/live/test');
    expect(text).toContain('http://localhost:8080/live/test.flv');
    expect(text).not.toContain('rtmps');
  });

  it('has SRT lines to paste, and says where the passphrase belongs without showing it', async () => {
    const text = await show();
    const publish = "ffmpeg -re -i input.mp4 -c copy -f mpegts 'srt://localhost:10080?streamid=publish:live/test'";
    expect(text).toContain(publish);
    expect(text).toContain("ffplay 'srt://localhost:10080?streamid=read:live/test'");
    const secret = await show('--srt-passphrase', 'mysecretkey', '--srt-pbkeylen', '32');
    expect(secret).toContain("streamid=publish:live/test&passphrase=…&pbkeylen=32'");
    expect(secret).not.toContain('mysecretkey');
    expect(await show('--srt-listen', '')).not.toContain('srt:');
  });

  it('says where recordings go', async () => {
    expect(await show()).toContain('Recordings    /srv/recordings/live/test/…');
    expect(await show('--layout', 'flat')).toContain('Recordings    /srv/recordings/live_test_…');
    expect(await show('--segment-pattern', '%s_%T')).toContain('Recordings    /srv/recordings/%s_%T');
    expect(await show('--record-all=false')).toContain('Recordings    off');
    const s3 = await show('--store', 's3://bucket/a');
    expect(s3).toContain('s3://bucket/a/live/test/…');
    expect(s3).toContain('/srv/spool');
  });

  it.each([
    [[], true],
    [['--listen', '10.0.0.1:1935'], true],
    [['--listen', 'localhost:1935'], true],
    [['--listen', 'localhost:1935', '--http-listen', '[::1]:8080'], true],
    [['--listen', 'localhost:1935', '--http-listen', '[::1]:8080', '--srt-listen', 'localhost:10080'], false],
    [['--listen', 'localhost:1935', '--http-listen', '[::1]:8080', '--srt-passphrase', 'mysecretkey'], false],
    [['--listen', 'localhost:1935', '--http-listen', '', '--srt-listen', ''], false],
  ])('warns when others can reach it: %j %s', async (argv, warns) => {
    expect((await show(...argv)).includes('Anyone who can reach this machine may publish and watch')).toBe(warns);
  });

  it('says how to keep it to oneself, with the ports that are in use', async () => {
    const text = await show(
      '--listen',
      ':2935',
      '--http-listen',
      'localhost:80',
      '--tls-listen',
      '0.0.0.0:443',
      '--tls-cert=a',
      '--tls-key=b',
    );
    const advice = '--listen localhost:2935 --tls-listen localhost:443 --srt-listen localhost:10080';
    expect(text).toContain(`To keep it to yourself: ${advice}\n`);
  });

  it('shows RTMPS and IPv6 as one would type them', async () => {
    const text = await show(
      '--listen',
      '[::1]:1935',
      '--tls-listen',
      'example.com:443',
      '--tls-cert',
      'a',
      '--tls-key',
      'b',
    );
    expect(text).toContain('Server rtmp://[::1]:1935/live');
    expect(text).toContain('Server rtmps://example.com:443/live');
  });
});
