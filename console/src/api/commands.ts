import { answer, api } from "./client";
import { ApiError } from "./problem";
import type { NewCommand } from "./types";

/** Milliseconds between two looks at a command. */
const pauseMs = 300;
/** Seconds that a device may take. */
const patienceS = 30;

/** Sends a command and waits for the device's reply; its text. */
export async function command(device: string, body: NewCommand): Promise<string> {
  const path = { device };
  const sent = await answer(
    api.POST("/api/v1/devices/{device}/commands", {
      params: { path },
      body: { ttl_s: patienceS, ...body },
    }),
  );
  for (;;) {
    const params = { path: { device, id: sent.id } };
    const now = await answer(api.GET("/api/v1/devices/{device}/commands/{id}", { params }));
    if (now.state === "done") return now.text;
    if (now.state === "expired") {
      throw refusal("The device did not answer", "It may be offline: try again when it is back.");
    }
    if (now.state !== "sent") throw refusal("The device can't do this", now.text);
    await new Promise((wake) => setTimeout(wake, pauseMs));
  }
}

/** A problem that no answer of the API was. */
export function refusal(title: string, detail: string): ApiError {
  return new ApiError({ status: 0, code: "command", title, detail });
}
