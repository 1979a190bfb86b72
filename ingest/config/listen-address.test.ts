import { describe, expect, it } from 'vitest';
import { formatListenAddress, isLoopback, listenersClash, parseListenAddress } from './listen-address.ts';
import { ValueProblem } from './units.ts';

const at = parseListenAddress;

describe('listen addresses', () => {
  it.each([
    [':1935', undefined, 1935],
    ['1935', undefined, 1935],
    ['*:1935', undefined, 1935],
    ['localhost:1935', 'localhost', 1935],
    ['[::1]:1935', '::1', 1935],
    ['[fe80::1%eth0]:1935', 'fe80::1%eth0', 1935],
    ['10.0.0.1:0', '10.0.0.1', 0],
  ])('%s', (text, host, port) => expect(at(text)).toEqual({ host, port }));

  it.each(['', 'localhost', '::1:1935', ':70000', 'host:', '[::1]', 'rtmp://host:1935', ':-1'])(
    'refuses %j',
    (text) => {
      expect(() => at(text)).toThrow(ValueProblem);
    },
  );

  it.each([':1935', 'localhost:1935', '[::1]:1935'])('writes %s as it reads it', (text) => {
    expect(formatListenAddress(at(text))).toBe(text);
  });

  it.each(['localhost:1', 'LOCALHOST:1', '127.0.0.2:1', '[::1]:1'])('%s is loopback', (text) => {
    expect(isLoopback(at(text))).toBe(true);
  });

  it.each([':1', '0.0.0.0:1', '[::]:1', '10.0.0.1:1', '127.example.com:1'])('%s is not', (text) => {
    expect(isLoopback(at(text))).toBe(false);
  });

  it.each([
    [':1935', ':1935', true],
    [':1935', 'localhost:1935', true],
    ['10.0.0.1:1935', '0.0.0.0:1935', true],
    ['10.0.0.1:1935', '10.0.0.2:1935', false],
    [':1935', ':1936', false],
    [':0', ':0', false],
  ])('%s and %s clash: %s', (a, b, clash) => {
    expect(listenersClash(at(a), at(b))).toBe(clash);
    expect(listenersClash(at(b), at(a))).toBe(clash);
  });
});
