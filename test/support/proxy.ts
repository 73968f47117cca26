/** A TCP line between dbps and a server that a test can cut at a chosen message. */
import net from 'node:net';

export interface Proxy {
  readonly port: number;
  /**
   * Cuts the next connection that sends `text`: `before` the server hears of it, or `after` it has answered, without passing the
   * answer on. Once; later connections pass.
   */
  cutOnce(text: string, when: 'before' | 'after'): void;
  readonly cuts: number;
  close(): Promise<void>;
}

export async function startProxy(host: string, port: number): Promise<Proxy> {
  let armed: { text: string; when: 'before' | 'after' } | null = null;
  let cuts = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = net.connect(port, host);
    let isSwallowing = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (data) => {
      if (armed !== null && data.includes(armed.text)) {
        const { when } = armed;
        armed = null;
        cuts++;
        if (when === 'before') {
          upstream.destroy();
          client.destroy();
          return;
        }
        isSwallowing = true;
      }
      upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (isSwallowing) client.destroy();
      else client.write(data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    cutOnce: (text, when) => {
      armed = { text, when };
    },
    get cuts() {
      return cuts;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
