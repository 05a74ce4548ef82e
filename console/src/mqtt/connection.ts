import type { MqttClient } from "mqtt";

import { openClient } from "./client";
import { matches } from "./topic";

/** What the cloud gives a dashboard to connect with: read-only, for a short while. */
export interface Access {
  org: string;
  username: string;
  token: string;
  path: string;
  /** How long it lasts from now on, in milliseconds (no clocks are compared). */
  lifetimeMs: number;
}

/** How the link is, for the page that shows what comes over it. */
export type LinkState =
  | { kind: "idle" }
  | { kind: "connecting" }
  | { kind: "connected" }
  | { kind: "waiting"; reason: string };

type Listener = (topic: string, payload: Uint8Array) => void;

interface Subscription {
  filter: string;
  listener: Listener;
}

const lingerMs = 3_000;
const firstDelayMs = 500;
const longestDelayMs = 15_000;
/** A token is renewed when this share of its life is over. */
const renewAfter = 0.75;

/**
 * One MQTT link for the whole console: opened with the first subscription, closed after the
 * last, opened again by itself when it breaks. Before the token ends, a second client connects
 * with a new one and takes over, so that nothing is missed.
 */
export class Connection {
  private readonly access: () => Promise<Access>;
  private readonly subscriptions = new Set<Subscription>();
  private readonly watchers = new Set<() => void>();
  private current: LinkState = { kind: "idle" };
  private client: MqttClient | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private attempts = 0;
  /** Counts openings: whatever an earlier one still brings is ignored. */
  private opening = 0;

  constructor(access: () => Promise<Access>) {
    this.access = access;
  }

  /** Calls `listener` for every message that `filter` lets through, until the answer is called. */
  subscribe(filter: string, listener: Listener): () => void {
    const subscription = { filter, listener };
    this.subscriptions.add(subscription);
    if (this.current.kind === "idle") this.open();
    // Also for a filter that is there already: the broker then sends what it retains again.
    else if (this.client) this.ask(this.client, filter);
    return () => {
      this.leave(subscription);
    };
  }

  readonly watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  readonly state = (): LinkState => this.current;

  private isWanted(filter: string): boolean {
    return [...this.subscriptions].some((other) => other.filter === filter);
  }

  private leave(subscription: Subscription): void {
    if (!this.subscriptions.delete(subscription)) return;
    if (!this.isWanted(subscription.filter)) this.client?.unsubscribe(subscription.filter);
    // A page that follows at once finds the link still there.
    if (this.subscriptions.size === 0) setTimeout(() => this.closeIfUnused(), lingerMs);
  }

  private closeIfUnused(): void {
    if (this.subscriptions.size > 0 || this.current.kind === "idle") return;
    this.opening += 1;
    clearTimeout(this.timer);
    this.retire(this.client);
    this.client = null;
    this.show({ kind: "idle" });
  }

  private show(state: LinkState): void {
    this.current = state;
    for (const watcher of this.watchers) watcher();
  }

  private open(): void {
    const opening = (this.opening += 1);
    clearTimeout(this.timer);
    if (!this.client) this.show({ kind: "connecting" });
    this.connect(opening).catch((error: unknown) => {
      if (opening === this.opening) this.retryLater(reasonOf(error));
    });
  }

  private async connect(opening: number): Promise<void> {
    const access = await this.access();
    if (opening !== this.opening) return;
    const client = await openClient(access);
    if (opening !== this.opening) {
      client.end(true);
      return;
    }
    let reason = "the link was closed";
    client.on("connect", () => this.takeOver(client, access));
    client.on("message", (topic, payload) => {
      if (client === this.client) this.deliver(topic, payload);
    });
    client.on("error", (error) => {
      reason = error.message;
      client.end(true);
    });
    client.on("close", () => {
      const lost = client === this.client;
      if (lost) this.client = null;
      if (lost || opening === this.opening) this.retryLater(reason);
    });
  }

  private takeOver(client: MqttClient, access: Access): void {
    const before = this.client;
    this.client = client;
    this.attempts = 0;
    for (const filter of new Set([...this.subscriptions].map(({ filter }) => filter))) {
      this.ask(client, filter);
    }
    this.retire(before);
    this.show({ kind: "connected" });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), access.lifetimeMs * renewAfter);
  }

  private retire(client: MqttClient | null): void {
    client?.removeAllListeners("close");
    client?.end();
  }

  private ask(client: MqttClient, filter: string): void {
    client.subscribe(filter, { qos: 0 }, (error) => {
      if (!error || client !== this.client) return;
      this.show({ kind: "waiting", reason: `the broker refused ${filter}: ${error.message}` });
    });
  }

  private deliver(topic: string, payload: Uint8Array): void {
    for (const { filter, listener } of this.subscriptions) {
      if (matches(filter, topic)) listener(topic, payload);
    }
  }

  private retryLater(reason: string): void {
    clearTimeout(this.timer);
    if (this.subscriptions.size === 0) {
      this.show({ kind: "idle" });
      return;
    }
    if (!this.client) this.show({ kind: "waiting", reason });
    const delay = Math.min(longestDelayMs, firstDelayMs * 2 ** this.attempts);
    this.attempts += 1;
    // Half of the delay is chance, so that many dashboards don't come back at once.
    this.timer = setTimeout(() => this.open(), delay * (0.5 + Math.random() / 2));
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
