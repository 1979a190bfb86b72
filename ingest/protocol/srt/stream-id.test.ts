import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RefusedHandshake } from './rejection.ts';
import { maskStreamId, parseStreamId } from './stream-id.ts';

const parse = (streamId: string, defaultPath?: string) => {
  const { mode, path, query, credentials } = parseStreamId(streamId, defaultPath);
  return { mode, path, query: Object.fromEntries(query), credentials };
};
const publish = (path: string) => ({ mode: 'publish', path, query: {}, credentials: {} });
const request = (path: string) => ({ mode: 'request', path, query: {}, credentials: {} });

describe('parseStreamId', () => {
  it.each([
    { id: 'publish:live/test', want: publish('live/test') },
    { id: 'read:live/test', want: request('live/test') },
    { id: 'request:live/test', want: request('live/test') },
    { id: 'play:live/test', want: request('live/test') },
    { id: 'live/test', want: publish('live/test') },
    { id: '/live//test/', want: publish('live/test') },
    { id: 'test', want: publish('live/test') },
    { id: 'publish:test', want: publish('live/test') },
    { id: 'publish:team-a/cam-1', want: publish('team-a/cam-1') },
    { id: 'publish:live/工作室🎥', want: publish('live/工作室🎥') },
    { id: 'publish:live/test#feedbackplay', want: publish('live/test') },
    {
      id: 'publish:live/test:ann:secret',
      want: { ...publish('live/test'), credentials: { user: 'ann', password: 'secret' } },
    },
    {
      id: 'publish:live/test:ann:secret:token=t&x=1',
      want: {
        ...publish('live/test'),
        query: { x: '1' },
        credentials: { user: 'ann', password: 'secret', token: 't' },
      },
    },
    { id: 'publish:live/test:key=abc', want: { ...publish('live/test'), credentials: { key: 'abc' } } },
    { id: 'read:live/test?token=t:u', want: { ...request('live/test'), credentials: { token: 't:u' } } },
    { id: 'live/test?user=u&pass=p', want: { ...publish('live/test'), credentials: { user: 'u', password: 'p' } } },
    { id: '#!::r=live/test,m=publish', want: publish('live/test') },
    { id: '#!::r=live/test,m=request', want: request('live/test') },
    { id: '#!::m=publish,r=/live/test', want: publish('live/test') },
    { id: '#!::r=live/test', want: request('live/test') },
    { id: '#!::r=live/test,m=publish,t=stream', want: publish('live/test') },
    {
      id: '#!::u=ann,s=secret,r=live/test,m=publish,custom=1',
      want: { ...publish('live/test'), query: { custom: '1' }, credentials: { user: 'ann', password: 'secret' } },
    },
    {
      id: '#!::r=live/test?key=abc,m=publish',
      want: { ...publish('live/test'), credentials: { key: 'abc' } },
    },
    { id: '#!::h=example.com,r=live/test,m=publish', want: publish('live/test') },
    {
      id: '#!::h=live/test?token=t,m=publish',
      want: { ...publish('live/test'), credentials: { token: 't' } },
    },
    { id: '%23!::r=live/test,m=publish', want: publish('live/test') },
    { id: '%23%21%3A%3Ar%3Dlive%2Ftest%2Cm%3Dpublish', want: publish('live/test') },
    { id: '#!%3A%3Ar=live%2Ftest,m=publish', want: publish('live/test') },
    { id: '#!::r=live%2Ftest,m=publish', want: publish('live/test') },
    { id: 'publish%3Alive%2Ftest', want: publish('live/test') },
    { id: 'publish:live%2Ftest', want: publish('live/test') },
    { id: 'live%2Ftest', want: publish('live/test') },
    { id: 'live/100%', want: publish('live/100%') },
    { id: 'live/a%2Fb', want: publish('live/a%2Fb') },
  ])('$id', ({ id, want }) => {
    expect(parse(id)).toEqual(want);
  });

  it.each([
    { id: '', want: publish('live/default') },
    { id: 'publish:', want: publish('live/default') },
    { id: 'read:', want: request('live/default') },
    { id: '#!::m=request', want: request('live/default') },
    { id: '#!::u=ann', want: { ...request('live/default'), credentials: { user: 'ann' } } },
    { id: 'publish:live/other', want: publish('live/other') },
  ])('with a default path: "$id"', ({ id, want }) => {
    expect(parse(id, 'live/default')).toEqual(want);
  });

  it.each([
    { id: '', rejection: 'badRequest', what: 'names no path' },
    { id: 'publish:', rejection: 'badRequest', what: 'names no path' },
    { id: '#!::m=publish', rejection: 'badRequest', what: 'names no path' },
    { id: '#!:{u=x}', rejection: 'badRequest', what: 'the form is #!::' },
    { id: 'publish:a:b:c:d:e', rejection: 'badRequest', what: 'too many colons' },
    { id: '#!::r=live/test,m=bidirectional', rejection: 'badMode', what: 'neither publish nor request' },
    { id: '#!::r=live/test,m=toString', rejection: 'badMode', what: 'neither publish nor request' },
    { id: '#!::r=live/test,m=publish,t=file', rejection: 'notSupportedMedia', what: 'type' },
    { id: 'publish:live/../etc', rejection: 'badRequest', what: "begin with '.'" },
    { id: 'publish:../test', rejection: 'badRequest', what: "begin with '.'" },
    { id: 'publish:live%2F..%2Ftest', rejection: 'badRequest', what: "begin with '.'" },
    { id: 'live/te\0st', rejection: 'badRequest', what: 'control characters' },
    { id: 'live/te\nst', rejection: 'badRequest', what: 'control characters' },
    { id: `publish:${'%0a'.repeat(3)}live%2Ftest`, rejection: 'badRequest', what: 'control characters' },
    { id: `publish:live/${'a'.repeat(200)}`, rejection: 'badRequest', what: '205 bytes' },
  ])('refuses "$id"', ({ id, rejection, what }) => {
    try {
      parseStreamId(id);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(RefusedHandshake);
      expect(error).toMatchObject({ code: 'ERR_SRT_STREAM_ID', rejection });
      expect((error as Error).message).toContain(what);
    }
  });

  it('gives a safe path or a coded error, whatever comes', () => {
    const piece = fc.constantFrom(
      '#!::',
      'publish:',
      'r=',
      'm=publish',
      ',',
      '%2F',
      '%23',
      '/',
      '..',
      '?',
      ':',
      's=x',
      '=',
    );
    const text = fc
      .array(fc.oneof(piece, fc.string({ maxLength: 5 })), { maxLength: 12 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (id) => {
        maskStreamId(id);
        try {
          const { path, mode } = parseStreamId(id);
          expect(path).toMatch(/^[^/]+(\/[^/]+)+$/);
          expect(path).not.toMatch(/(^|\/)\.|[\0-\x1f\x7f\\?]/);
          expect(['publish', 'request']).toContain(mode);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SRT_STREAM_ID' });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('maskStreamId', () => {
  it.each([
    { id: 'publish:live/test', want: 'publish:live/test' },
    { id: 'publish:live/test:ann:SECRET', want: 'publish:live/test:…' },
    { id: 'publish:live/test?key=SECRET', want: 'publish:live/test?…' },
    { id: 'live/test?token=SECRET', want: 'live/test?…' },
    { id: '#!::r=live/test,m=publish,u=ann,s=SECRET', want: '#!::r=live/test,m=publish,u=…,s=…' },
    { id: '#!::s=SECRET,r=live/test', want: '#!::s=…,r=live/test' },
    { id: '#!::r=live/test?key=SECRET,m=publish', want: '#!::r=live/test?…,m=publish' },
    { id: '%23!::s=SECRET,r=live/test', want: '#!::s=…,r=live/test' },
    { id: 'publish%3Alive%2Ftest%3Aann%3ASECRET', want: 'publish:live/test:…' },
    { id: 'live/a\nb', want: 'live/a\\u000ab' },
    { id: 'a'.repeat(130), want: `${'a'.repeat(120)}…` },
    { id: '', want: '' },
  ])('$id', ({ id, want }) => {
    expect(maskStreamId(id)).toBe(want);
  });
});
