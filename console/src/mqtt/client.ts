import type { MqttClient } from "mqtt";

import type { Access } from "./connection";

function socketUrl(path: string): string {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** Starts to connect; the token travels in the CONNECT packet, never in the address. */
export async function openClient(access: Access): Promise<MqttClient> {
  const { default: mqtt } = await import("mqtt");
  return mqtt.connect(socketUrl(access.path), {
    protocolVersion: 5,
    clientId: `console-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`,
    username: access.username,
    password: access.token,
    clean: true,
    keepalive: 30,
    connectTimeout: 10_000,
    // The connection decides when to come back, with a token that still holds.
    reconnectPeriod: 0,
    resubscribe: false,
    // Timers in a worker would need blob: in the page's policy.
    timerVariant: "native",
  });
}
