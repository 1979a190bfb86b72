import { describe, expect, it } from 'vitest';
import { normalisePath, parseStreamTarget } from './stream-path.ts';

const parse = (app: string, tcUrl: string, name: string) => {
  const { path, query, credentials } = parseStreamTarget(app, tcUrl, name);
  return { path, query: Object.fromEntries(query), credentials };
};
const plain = (path: string) => ({ path, query: {}, credentials: {} });

describe('parseStreamTarget', () => {
  it.each([
    { name: 'OBS and ffmpeg', from: ['live', 'rtmp://h:1935/live', 'test'], want: plain('live/test') },
    { name: 'an app with an instance', from: ['live/inst', 'rtmp://h/live/inst', 'key'], want: plain('live/inst/key') },
    { name: 'a name with slashes', from: ['live', 'rtmp://h/live', 'a/b'], want: plain('live/a/b') },
    { name: 'doubled, leading and trailing slashes', from: ['/live//', '', '//a///b/'], want: plain('live/a/b') },
    { name: 'the whole path in app', from: ['live/test', 'rtmp://h/live/test', ''], want: plain('live/test') },
    { name: 'the key typed into the server field', from: ['live', 'rtmp://h/live/test', ''], want: plain('live/test') },
    { name: 'no app', from: ['', 'rtmp://h/live', 'test'], want: plain('live/test') },
    { name: 'no app, whole path as name', from: ['', 'rtmp://h', 'live/test'], want: plain('live/test') },
    { name: 'mp4: before a name', from: ['live', 'rtmp://h/live', 'mp4:test.mp4'], want: plain('live/test.mp4') },
    { name: 'flv: before a name', from: ['live', 'rtmp://h/live', 'FLV:a/b'], want: plain('live/a/b') },
    { name: '%2F stays', from: ['live', 'rtmp://h/live', 'a%2Fb'], want: plain('live/a%2Fb') },
    { name: '%, +, = and spaces stay', from: ['live', 'rtmp://h/live', '100% a+b=c'], want: plain('live/100% a+b=c') },
    { name: 'unicode', from: ['прямой', 'rtmp://h/прямой', '工作室🎥'], want: plain('прямой/工作室🎥') },
    { name: 'unicode, composed or not', from: ['live', 'rtmp://h/live', 'u\u0308'], want: plain('live/ü') },
    { name: 'two dots within a name', from: ['live', 'rtmp://h/live', 'a..b'], want: plain('live/a..b') },
    {
      name: 'user and pass in the key',
      from: ['live', 'rtmp://h/live', 'test?user=ann&pass=s%26cret&x=1'],
      want: { path: 'live/test', query: { x: '1' }, credentials: { user: 'ann', password: 's&cret' } },
    },
    {
      name: 'a key parameter',
      from: ['team-a', 'rtmp://h/team-a', 'cam-1?key=abc'],
      want: { path: 'team-a/cam-1', query: {}, credentials: { key: 'abc' } },
    },
    {
      name: 'query in app and tcUrl; the name is stronger',
      from: ['live?token=a&v=2', 'rtmp://h/live?token=a&w=3', 'test?token=b'],
      want: { path: 'live/test', query: { v: '2', w: '3' }, credentials: { token: 'b' } },
    },
    {
      name: 'a name that is only a query',
      from: ['live/test', 'rtmp://h/live/test', '?token=t'],
      want: { path: 'live/test', query: {}, credentials: { token: 't' } },
    },
    {
      name: 'user and password in tcUrl',
      from: ['live', 'rtmp://ann:p%40ss:w@h:1935/live', 'test'],
      want: { path: 'live/test', query: {}, credentials: { user: 'ann', password: 'p@ss:w' } },
    },
    {
      name: 'OBS appends parameters with a second ?',
      from: ['live', 'rtmp://h/live', 'test?user=u&pass=what??clientConfigId=9'],
      want: { path: 'live/test', query: { clientConfigId: '9' }, credentials: { user: 'u', password: 'what?' } },
    },
    {
      name: 'a query whose ? is encoded; another %3F stays',
      from: ['live', 'rtmp://h/live', 'a%3Fb%3ftoken=t&x=1'],
      want: { path: 'live/a%3Fb', query: { x: '1' }, credentials: { token: 't' } },
    },
    {
      name: 'base64 and bad escapes in a token',
      from: ['live', '', 'test?token=a+b/c==&bad=%zz'],
      want: { path: 'live/test', query: { bad: '%zz' }, credentials: { token: 'a+b/c==' } },
    },
    {
      name: 'names that objects have',
      from: ['live', '', 'test?__proto__=1&constructor=2&flag'],
      want: {
        path: 'live/test',
        query: Object.fromEntries([
          ['__proto__', '1'],
          ['constructor', '2'],
          ['flag', ''],
        ]),
        credentials: {},
      },
    },
  ])('$name', ({ from, want }) => {
    expect(parse(from[0]!, from[1]!, from[2]!)).toEqual(want);
  });

  it.each([
    { name: 'nothing', from: ['', '', ''] },
    { name: 'no key', from: ['live', 'rtmp://h/live', ''] },
    { name: 'no app', from: ['', 'rtmp://h', 'test'] },
    { name: 'only slashes', from: ['/', 'rtmp://h/', '//'] },
    { name: '..', from: ['live', 'rtmp://h/live', '../etc'] },
    { name: '.', from: ['live', 'rtmp://h/live', './a'] },
    { name: 'a hidden folder', from: ['.spool', 'rtmp://h/.spool', 'a'] },
    { name: 'a backslash', from: ['live', 'rtmp://h/live', 'a\\b'] },
    { name: 'a line feed', from: ['live', 'rtmp://h/live', 'a\n'] },
    { name: 'a zero', from: ['live', 'rtmp://h/live', 'a\0'] },
    { name: 'bytes that were no UTF-8', from: ['live', 'rtmp://h/live', 'a\ufffd'] },
    { name: 'text that turns around', from: ['live', 'rtmp://h/live', 'a\u202eb'] },
    { name: '201 bytes', from: ['live', 'rtmp://h/live', 'a'.repeat(196)] },
    { name: '204 bytes of unicode', from: ['live', 'rtmp://h/live', 'ü'.repeat(100)] },
    { name: 'a very long query', from: ['live', 'rtmp://h/live', `a?b=${'x'.repeat(20_000)}`] },
  ])('refuses $name', ({ from }) => {
    expect(() => parse(from[0]!, from[1]!, from[2]!)).toThrow(expect.objectContaining({ code: 'ERR_RTMP_BAD_PATH' }));
  });

  it('takes 200 bytes', () => {
    expect(parse('live', '', 'a'.repeat(195)).path).toHaveLength(200);
  });

  it('says nothing of the path in its fault: it may be a key in the wrong place', () => {
    let message = '';
    try {
      parse('live', '', '../secret-key');
    } catch (error) {
      message = String(error);
    }
    expect(message).toMatch(/^ProtocolError: ERR_RTMP_BAD_PATH/);
    expect(message).not.toContain('secret-key');
  });
});

describe('normalisePath', () => {
  it('gives a path of one text the same form', () => {
    expect(normalisePath('//live//u\u0308/')).toBe('live/ü');
    expect(() => normalisePath('live/../x')).toThrow(expect.objectContaining({ code: 'ERR_RTMP_BAD_PATH' }));
    expect(() => normalisePath('live')).toThrow(expect.objectContaining({ code: 'ERR_RTMP_BAD_PATH' }));
  });
});
