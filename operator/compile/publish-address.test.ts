import { describe, expect, it } from 'vitest';
import { streamConfig } from '../../test/support/stream-config.ts';
import { publicUrls, publishAddresses, type ServiceView, secretUrls } from './publish-address.ts';

const TCP = [
  { name: 'rtmp', port: 1935, nodePort: 31_935 },
  { name: 'rtmps', port: 1936, nodePort: 31_936 },
];
const UDP = [{ name: 'srt', port: 10_080, nodePort: 31_080 }];
const service = (name: string, ports: typeof TCP, type = 'ClusterIP', ingress: object[] = []): ServiceView => ({
  metadata: { name, namespace: 'video' },
  spec: { type, ports },
  status: { loadBalancer: { ingress } },
});
const settings = (host: string | null = null, rtmp: number | null = null) => ({
  host,
  ports: { rtmp, rtmps: null, srt: null },
});

describe('publishAddresses', () => {
  it.each([
    { name: "the Service's own name", tcp: service('hw', TCP), given: settings(), want: 'hw.video.svc:1935' },
    {
      name: "a load balancer's name",
      tcp: service('hw', TCP, 'LoadBalancer', [{ hostname: 'lb.example.com', ip: '192.0.2.1' }]),
      given: settings(),
      want: 'lb.example.com:1935',
    },
    {
      name: "a load balancer's address, IPv6 in brackets",
      tcp: service('hw', TCP, 'LoadBalancer', [{ ip: '2001:db8::1' }]),
      given: settings(),
      want: '[2001:db8::1]:1935',
    },
    {
      name: "the node's port",
      tcp: service('hw', TCP, 'NodePort'),
      given: settings('node.example.com'),
      want: 'node.example.com:31935',
    },
    {
      name: 'what people said, before all of it',
      tcp: service('hw', TCP, 'NodePort', [{ ip: '192.0.2.1' }]),
      given: settings('live.example.com', 443),
      want: 'live.example.com:443',
    },
    { name: 'nothing without a Service', tcp: undefined, given: settings('live.example.com'), want: undefined },
    { name: 'nothing for a port that the Service lacks', tcp: service('hw', UDP), given: settings(), want: undefined },
  ])('$name', ({ tcp, given, want }) => {
    const { rtmp } = publishAddresses({ tcp, udp: undefined }, given);
    expect(rtmp && `${rtmp.host}:${rtmp.port}`).toBe(want);
  });
});

describe('URLs to publish to', () => {
  const addresses = publishAddresses({ tcp: service('tcp', TCP), udp: service('udp', UDP) }, settings('h'));
  const keys = { rtmpKey: 'r-key', srtPassphrase: 'pass&phrase?' };
  const base = streamConfig({ uid: 'uid-1', path: 'team-a/cam-1', protocols: ['RTMP', 'RTMPS', 'SRT'] });

  it('have no key where everyone may read them', () => {
    expect(publicUrls(base, addresses)).toEqual({
      rtmp: 'rtmp://h:1935/team-a/cam-1',
      rtmps: 'rtmps://h:1936/team-a/cam-1',
      srt: 'srt://h:10080?streamid=publish:team-a/cam-1',
    });
  });

  it.each([
    {
      name: 'key and passphrase, escaped',
      config: base,
      want: {
        rtmp: 'rtmp://h:1935/team-a/cam-1?key=r-key',
        srt: `srt://h:10080?streamid=publish:team-a/cam-1&passphrase=pass%26phrase%3F&pbkeylen=${base.srt.keyLength}`,
      },
    },
    {
      name: 'RTMPS where plain RTMP is not offered',
      config: { ...base, protocols: ['RTMPS'] as const },
      want: { rtmp: 'rtmps://h:1936/team-a/cam-1?key=r-key', srt: '' },
    },
    {
      name: 'no passphrase where SRT is not encrypted',
      config: { ...base, protocols: ['SRT'] as const, srt: { ...base.srt, encryption: 'Disabled' as const } },
      want: { rtmp: '', srt: 'srt://h:10080?streamid=publish:team-a/cam-1' },
    },
    {
      name: 'no stream id at a port of its own',
      config: { ...base, protocols: ['SRT'] as const, srt: { ...base.srt, dedicatedPort: 20_003 } },
      want: { rtmp: '', srt: `srt://h:10080?passphrase=pass%26phrase%3F&pbkeylen=${base.srt.keyLength}` },
    },
  ])('for those who publish: $name', ({ config, want }) => {
    expect(secretUrls(config, addresses, keys)).toEqual(want);
  });
});
