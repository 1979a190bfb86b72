import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ReadPace } from './read-pace.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

class FakeSocket {
  destroyed = false;
  resumed = 0;
  resume(): void {
    this.resumed += 1;
  }
}

it('resumes each socket once within 80 ms, half of them at a time', () => {
  using pace = new ReadPace();
  const sockets = Array.from({ length: 6 }, () => new FakeSocket());
  for (const [group, socket] of sockets.entries()) pace.rest(socket, group);
  vi.advanceTimersByTime(40);
  expect(sockets.map(({ resumed }) => resumed)).toEqual([1, 0, 1, 0, 1, 0]);
  vi.advanceTimersByTime(40);
  expect(sockets.map(({ resumed }) => resumed)).toEqual([1, 1, 1, 1, 1, 1]);
  vi.advanceTimersByTime(400);
  expect(sockets.map(({ resumed }) => resumed)).toEqual([1, 1, 1, 1, 1, 1]);
});

it('has no timer while nothing rests, and none after its end', () => {
  const pace = new ReadPace();
  expect(vi.getTimerCount()).toBe(0);
  pace.rest(new FakeSocket(), 1);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(200);
  expect(vi.getTimerCount()).toBe(0);
  pace.rest(new FakeSocket(), 0);
  pace[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
});

it('lets go of a socket that was closed while it rested', () => {
  using pace = new ReadPace();
  const socket = new FakeSocket();
  pace.rest(socket, 0);
  socket.destroyed = true;
  vi.advanceTimersByTime(200);
  expect(socket.resumed).toBe(0);
});
