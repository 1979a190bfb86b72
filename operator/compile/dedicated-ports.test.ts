import { describe, expect, it } from 'vitest';
import { storedStream } from '../../test/support/operator-fixtures.ts';
import { assignPorts, dedicatedService } from './dedicated-ports.ts';
import { endpointSlice } from './endpoint-slice.ts';
import { streamService } from './service.ts';

/** `a@1=20001`: stream a, made at minute 1, has that port. */
const claims = (...texts: string[]) =>
  texts.map((text) => {
    const [, uid, minute, port] = /^(\w+)@(\d)(?:=(\d+))?$/.exec(text)!;
    return {
      uid: uid!,
      createdAt: `2026-11-01T10:0${minute}:00Z`,
      port: port === undefined ? undefined : Number(port),
    };
  });
const RANGE = { from: 20_000, to: 20_002 };

describe('assignPorts', () => {
  it.each([
    { name: 'the lowest, oldest first', given: claims('b@2', 'a@1'), want: { a: 20_000, b: 20_001 } },
    { name: 'who has one keeps it', given: claims('a@1', 'b@2=20000'), want: { b: 20_000, a: 20_001 } },
    { name: 'as far as they go', given: claims('a@1', 'b@2', 'c@3', 'd@4'), want: { a: 20_000, b: 20_001, c: 20_002 } },
    { name: 'one outside of the range is given up', given: claims('a@1=30000'), want: { a: 20_000 } },
    {
      name: 'of two with one port the older keeps it',
      given: claims('b@2=20002', 'a@1=20002'),
      want: { a: 20_002, b: 20_000 },
    },
    { name: 'made in one second: by uid', given: claims('b@1', 'a@1'), want: { a: 20_000, b: 20_001 } },
  ])('$name', ({ given, want }) => {
    expect(Object.fromEntries(assignPorts(given, RANGE))).toEqual(want);
  });

  it('gives none where the pool has none', () => {
    expect(assignPorts(claims('a@1'), null).size).toBe(0);
  });
});

describe('dedicatedService', () => {
  const release = { namespace: 'video', release: 'hw', pool: 'default' };
  it('has a UDP port for each, in order', () => {
    const ports = new Map([
      ['b', 20_001],
      ['a', 20_000],
    ]);
    expect(dedicatedService(release, 'LoadBalancer', { app: 'ingest' }, ports)).toMatchObject({
      metadata: { name: 'hw-srt-dedicated', namespace: 'video' },
      spec: {
        ...{ type: 'LoadBalancer', selector: { app: 'ingest' } },
        ports: [
          { name: 'srt-20000', port: 20_000, targetPort: 20_000, protocol: 'UDP' },
          { name: 'srt-20001', port: 20_001, targetPort: 20_001, protocol: 'UDP' },
        ],
      },
    });
  });
  it('is not there without ports: a Service must have one', () => {
    expect(dedicatedService(release, 'ClusterIP', {}, new Map())).toBeUndefined();
  });
});

describe('a name in DNS', () => {
  const owner = { ownerReferences: [{ uid: 'uid-1', controller: true }], labels: { 'headwater.dev/uid': 'uid-1' } };

  it('is a headless Service without selector', () => {
    const { spec, metadata } = streamService(storedStream()) as ReturnType<typeof streamService> & { spec: object };
    expect(metadata).toMatchObject({ name: 'cam-1', namespace: 'team-a', ...owner });
    expect(spec).toMatchObject({ clusterIP: 'None', ports: [{ port: 1935 }, { port: 8080 }, { port: 10_080 }] });
    expect(spec).not.toHaveProperty('selector');
  });

  it.each([
    {
      address: '10.1.2.3',
      isTerminating: false,
      type: 'IPv4',
      conditions: { ready: true, serving: true, terminating: false },
    },
    {
      address: 'fd00::1',
      isTerminating: true,
      type: 'IPv6',
      conditions: { ready: false, serving: true, terminating: true },
    },
  ])('leads to $address', ({ address, isTerminating, type, conditions }) => {
    expect(endpointSlice(storedStream(), { address, isTerminating })).toMatchObject({
      metadata: { ...owner, labels: { 'kubernetes.io/service-name': 'cam-1' } },
      addressType: type,
      endpoints: [{ addresses: [address], conditions }],
    });
  });
});
