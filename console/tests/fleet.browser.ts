/*
 * The console against a real fleet, in Debian's Chromium. A running cloud is named by
 * NOROSHI_CONSOLE_URL, with NOROSHI_USER and NOROSHI_PASSWORD of somebody who may operate.
 * It needs a model that devices run, of which a newer version than theirs is pushed.
 * NOROSHI_DEVICES is how many devices must be online (default 1), NOROSHI_MODEL the model to
 * roll out (default: the first).
 */
import { mkdirSync } from "node:fs";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFailed } from "vitest";

function needed(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see the head of tests/fleet.browser.ts`);
  return value;
}

const launch = {
  executablePath: process.env["NOROSHI_CHROMIUM"] ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

const slow = { timeout: 60_000 };

describe("the console of a running fleet", () => {
  const url = needed("NOROSHI_CONSOLE_URL");
  const devices = Number(process.env["NOROSHI_DEVICES"] ?? "1");
  const model = process.env["NOROSHI_MODEL"] ?? "";
  const complaints: string[] = [];
  const addresses: string[] = [];
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    browser = await chromium.launch(launch);
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) complaints.push(message.text());
    });
    page.on("request", (request) => addresses.push(request.url()));
    page.on("websocket", (socket) => addresses.push(socket.url()));
    await page.goto(url);
  });

  afterAll(() => browser.close());

  afterEach(() => expect(complaints).toEqual([]));

  function pictureOnFailure(name: string): void {
    onTestFailed(async () => {
      mkdirSync("test-results", { recursive: true });
      await page.screenshot({ path: `test-results/${name}.png`, fullPage: true });
    });
  }

  it("refuses a wrong password and says so", async () => {
    pictureOnFailure("refused");
    await page.getByLabel("User").fill(needed("NOROSHI_USER"));
    await page.getByRole("textbox", { name: "Password" }).fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor(slow);
    expect(await page.getByRole("alert").innerText()).not.toBe("");
  });

  it("signs in and shows the devices online", async () => {
    pictureOnFailure("devices");
    await page.getByRole("textbox", { name: "Password" }).fill(needed("NOROSHI_PASSWORD"));
    await page.getByRole("button", { name: "Sign in" }).click();
    const online = page
      .getByRole("table", { name: "Devices" })
      .getByRole("row")
      .filter({ hasText: "online" });
    await online.nth(devices - 1).waitFor(slow);
  });

  it("shows what runs on a device, and why", async () => {
    pictureOnFailure("device");
    await page
      .getByRole("table", { name: "Devices" })
      .getByRole("row")
      .filter({ hasText: "online" })
      .getByRole("link")
      .first()
      .click();
    await page.getByRole("table", { name: "Pipelines" }).getByText("running").waitFor(slow);
    await page.getByRole("region", { name: "Capabilities" }).getByText("Architecture").waitFor();
    const why = page.getByRole("region", { name: "Why" });
    expect((await why.innerText()).length).toBeGreaterThan("Why".length + 10);
  });

  it("shows results as they come", async () => {
    pictureOnFailure("live");
    await page.getByRole("link", { name: "Live results" }).click();
    const rows = page.getByRole("table", { name: "Live results" }).locator("tbody tr");
    await rows.nth(2).waitFor(slow);
    const before = await rows.first().innerText();
    await expect.poll(() => rows.first().innerText(), slow).not.toBe(before);
  });

  it("rolls out a version in three clicks and watches it end", async () => {
    pictureOnFailure("rollout");
    await page.getByRole("link", { name: "Models" }).click();
    const row = page
      .getByRole("table", { name: "Models" })
      .getByRole("row")
      .filter({ hasText: model })
      .nth(model ? 0 : 1);
    await row.waitFor(slow);
    let clicks = 0;
    const click = async (step: () => Promise<void>) => {
      clicks += 1;
      await step();
    };
    await click(() => row.getByRole("link", { name: /^Roll out v\d+ of / }).click(slow));
    await click(() => page.getByLabel(/^All devices that run /).click(slow));
    await click(() => page.getByRole("button", { name: "Roll out", exact: true }).click(slow));
    expect(clicks).toBeLessThanOrEqual(3);

    const phases = page.getByRole("table", { name: "Devices of the rollout" });
    await phases.waitFor(slow);
    const end = page.getByTestId("rollout-state");
    await expect
      .poll(() => end.innerText(), { timeout: 200_000, interval: 500 })
      .toMatch(/^(succeeded|stopped|reverted)$/);
    expect(await end.innerText()).toBe("succeeded");
    expect(await phases.innerText()).not.toContain("failed");
  });

  it("shows what happened on the sites page", async () => {
    pictureOnFailure("sites");
    await page.getByRole("link", { name: "Sites" }).click();
    const events = page.getByRole("region", { name: "Events" });
    await events.getByText("update-active").first().waitFor(slow);
  });

  it("changes a password only with the one until now", async () => {
    pictureOnFailure("password");
    await page.getByRole("button", { name: /^Account/ }).click();
    await page.getByRole("menuitem", { name: "Change password" }).click();
    const form = page.getByRole("dialog", { name: "Change password" });
    await form.getByLabel("Password until now").fill("not the password");
    await form.getByLabel("New password").fill("another battery horse");
    await form.getByRole("button", { name: "Change password" }).click();
    await form.getByRole("alert").getByText("until now").waitFor(slow);
    await page.keyboard.press("Escape");
    await form.waitFor({ state: "hidden" });
  });

  it("keeps every secret out of addresses, and signs out", async () => {
    pictureOnFailure("signed-out");
    for (const address of addresses) {
      expect(address).not.toContain("nrs_");
      expect(new URL(address).host).toBe(new URL(url).host);
    }
    expect(addresses.some((address) => new URL(address).pathname === "/mqtt")).toBe(true);
    await page.getByRole("button", { name: /^Account/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByLabel("User").waitFor(slow);
  });
});
