import { EventEmitter } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Connection, type Access } from "./connection";

/** Stands in for the MQTT client: the test says what the broker does. */
class Client extends EventEmitter {
  readonly subscribed: string[] = [];
  ended = false;

  subscribe(filter: string): void {
    this.subscribed.push(filter);
  }

  unsubscribe(): void {}

  end(): void {
    this.ended = true;
  }
}

const clients: Client[] = [];
vi.mock("./client", () => ({
  openClient: () => {
    const client = new Client();
    clients.push(client);
    return Promise.resolve(client);
  },
}));

const filter = "noroshi/v1/acme/+/+/live/+";
const topic = "noroshi/v1/acme/plant-1/cam-a/live/photos";

function access(token: string): Access {
  return { org: "acme", username: "token", token, path: "/mqtt", lifetimeMs: 60_000 };
}

function newest(): Client {
  const client = clients.at(-1);
  if (!client) throw new Error("nothing was opened");
  return client;
}

describe("Connection", () => {
  let tokens = 0;
  let connection: Connection;

  beforeEach(() => {
    vi.useFakeTimers();
    clients.length = 0;
    tokens = 0;
    connection = new Connection(() => Promise.resolve(access(`token ${(tokens += 1)}`)));
  });

  afterEach(() => vi.useRealTimers());

  async function connected(): Promise<Client> {
    await vi.advanceTimersByTimeAsync(0);
    newest().emit("connect");
    return newest();
  }

  it("opens with the first subscription and delivers what its filter lets through", async () => {
    expect(connection.state().kind).toBe("idle");
    const heard: string[] = [];
    connection.subscribe(filter, (from) => heard.push(from));
    expect(connection.state().kind).toBe("connecting");
    const client = await connected();
    expect(connection.state().kind).toBe("connected");
    expect(client.subscribed).toEqual([filter]);
    client.emit("message", topic, new Uint8Array());
    client.emit("message", topic.replace("live", "metric"), new Uint8Array());
    expect(heard).toEqual([topic]);
  });

  it("comes back by itself with a new token", async () => {
    connection.subscribe(filter, () => {});
    const first = await connected();
    first.emit("close");
    expect(connection.state().kind).toBe("waiting");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(clients).toHaveLength(2);
    expect(tokens).toBe(2);
    expect((await connected()).subscribed).toEqual([filter]);
  });

  it("tries again when there is no token", async () => {
    let refused = true;
    connection = new Connection(() =>
      refused ? Promise.reject(new Error("the cloud is away")) : Promise.resolve(access("late")),
    );
    connection.subscribe(filter, () => {});
    await vi.advanceTimersByTimeAsync(0);
    expect(connection.state()).toEqual({ kind: "waiting", reason: "the cloud is away" });
    refused = false;
    await vi.advanceTimersByTimeAsync(1_000);
    await connected();
    expect(connection.state().kind).toBe("connected");
  });

  it("changes to a new token before the old one ends, without a gap", async () => {
    connection.subscribe(filter, () => {});
    const first = await connected();
    await vi.advanceTimersByTimeAsync(50_000);
    expect(clients).toHaveLength(2);
    expect(first.ended).toBe(false);
    const second = await connected();
    expect(first.ended).toBe(true);
    expect(second.subscribed).toEqual([filter]);
    expect(connection.state().kind).toBe("connected");
  });

  it("closes a while after the last subscription", async () => {
    const leave = connection.subscribe(filter, () => {});
    const client = await connected();
    leave();
    expect(client.ended).toBe(false);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(client.ended).toBe(true);
    expect(connection.state().kind).toBe("idle");
  });
});
