/** A TCP line between dbps and a server that a test can cut at a chosen message. */
import net from 'node:net';

export interface Proxy {
  readonly port: number;
  /**
   * Cuts the next connection that sends `text`: `before` the server hears of it, `after` it has answered, without passing the answer on, or
   * `during` its work, of which the server learns nothing. Once; later connections pass.
   */
  cutOnce(text: string, when: 'before' | 'during' | 'after'): void;
  readonly cuts: number;
  /** From the next message with `text` on nothing passes on its connection any more, either way, and it stays open. Resolves when that is so. */
  silenceOnce(text: string): Promise<void>;
  /** The same with all connections there are, now. */
  silence(): void;
  /** Ends all connections there are. */
  cut(): void;
  close(): Promise<void>;
}

export async function startProxy(host: string, port: number): Promise<Proxy> {
  let armed: { text: string; when: 'before' | 'during' | 'after' } | null = null;
  let silencing: { text: string; done: () => void } | null = null;
  const silence = new Set<() => void>();
  let cuts = 0;
  const sockets = new Set<net.Socket>();
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  // Half open: an end is passed on like everything else, or not at all.
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const upstream = net.connect(port, host);
    let isSwallowing = false;
    let isSilent = false;
    let isSevered = false;
    silence.add(() => {
      isSilent = true;
    });
    client.on('end', () => isSilent || upstream.end());
    upstream.on('end', () => isSilent || client.end());
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        if (isSevered && socket === client) return;
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (data) => {
      if (silencing !== null && data.includes(silencing.text)) {
        isSilent = true;
        silencing.done();
        silencing = null;
      }
      if (isSilent) return;
      if (armed !== null && data.includes(armed.text)) {
        const { when } = armed;
        armed = null;
        cuts++;
        if (when === 'before') {
          upstream.destroy();
          client.destroy();
          return;
        }
        if (when === 'during') {
          isSevered = true;
          upstream.write(data);
          client.destroy();
          return;
        }
        isSwallowing = true;
      }
      upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (isSilent) return;
      if (isSwallowing || isSevered) client.destroy();
      else client.write(data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    cutOnce: (text, when) => {
      armed = { text, when };
    },
    silenceOnce: (text) =>
      new Promise((done) => {
        silencing = { text, done };
      }),
    silence: () => {
      for (const now of silence) now();
    },
    get cuts() {
      return cuts;
    },
    cut,
    close: () => {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
