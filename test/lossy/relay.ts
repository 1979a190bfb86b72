import { createSocket, type Socket } from 'node:dgram';

/** A way through the relay: datagrams to `port` go on to the target, answers the same way back. Times in ms. */
export interface RelayWay {
  readonly port: number;
  readonly target: { readonly address: string; readonly port: number };
  /** Each datagram takes so long, more or less, drawn anew each time: so they overtake each other. */
  readonly delayMs: number;
  readonly jitterMs: number;
}

/** What comes through one socket until it is due: one timer for all of it. */
class DelayLine {
  readonly #waiting: { readonly at: number; readonly send: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;

  add(delayMs: number, send: () => void): void {
    const at = performance.now() + delayMs;
    let place = this.#waiting.length;
    while (place > 0 && this.#waiting[place - 1]!.at > at) place -= 1;
    this.#waiting.splice(place, 0, { at, send });
    this.#timer ??= setTimeout(() => this.#sendDue(), 1);
  }

  #sendDue(): void {
    const now = performance.now();
    let due = 0;
    while (due < this.#waiting.length && this.#waiting[due]!.at <= now) due += 1;
    for (const { send } of this.#waiting.splice(0, due)) send();
    this.#timer = this.#waiting.length > 0 ? setTimeout(() => this.#sendDue(), 1) : undefined;
  }
}

/** Counts how often the data of one direction changes its AES key, and says so: KK is in clear. */
class KeyWatch {
  readonly #name: string;
  #parity = 0;
  #newest = -1;

  constructor(name: string) {
    this.#name = name;
  }

  see(datagram: Buffer): void {
    if (datagram.length < 16 || (datagram[0] as number) >= 0x80) return;
    const sequence = datagram.readUInt32BE(0);
    if (this.#newest >= 0 && ((sequence - this.#newest) << 1) >> 1 <= 0) return;
    this.#newest = sequence;
    const parity = ((datagram[4] as number) >> 3) & 3;
    if (this.#parity !== 0 && parity !== this.#parity) console.log(`new key ${this.#name}`);
    this.#parity = parity;
  }
}

const line = new DelayLine();

async function open(way: RelayWay): Promise<void> {
  const delay = (): number => way.delayMs + (Math.random() * 2 - 1) * way.jitterMs;
  const front = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  const backs = new Map<string, { readonly socket: Socket; readonly keys: KeyWatch }>();
  const backOf = (address: string, port: number) => {
    const known = backs.get(`${address}:${port}`);
    if (known !== undefined) return known;
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
    const keys = new KeyWatch('back');
    socket.on('error', () => {}); // nobody listens there yet
    socket.on('message', (answer) => {
      keys.see(answer);
      line.add(delay(), () => front.send(answer, port, address));
    });
    const back = { socket, keys: new KeyWatch('there') };
    backs.set(`${address}:${port}`, back);
    return back;
  };
  front.on('message', (datagram, from) => {
    const { socket, keys } = backOf(from.address, from.port);
    keys.see(datagram);
    line.add(delay(), () => socket.send(datagram, way.target.port, way.target.address, () => {}));
  });
  await new Promise<void>((resolve) => front.bind(way.port, resolve));
}

const ways = JSON.parse(process.argv[2] ?? '[]') as RelayWay[];
for (const way of ways) await open(way);
console.log('ready');
