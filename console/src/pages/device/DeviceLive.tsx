import { Group, Progress, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { useOrganisation } from "../../api/organisation";
import { readLive, type LiveResult } from "../../mqtt/payload";
import { liveFilter } from "../../mqtt/topic";
import { useFeed } from "../../mqtt/useFeed";
import { LinkMark } from "../../parts/LinkMark";
import { Panel } from "../../parts/Panel";
import { percent, timeOfDay } from "../../text/format";
import classes from "./DeviceLive.module.css";

function Newest({ result }: { result: LiveResult }) {
  return (
    <Stack gap={4}>
      <Group justify="space-between" align="baseline">
        <span className={classes.label}>{result.label || "nothing seen"}</span>
        {result.score !== null && <Text fw={600}>{percent(result.score)}</Text>}
      </Group>
      {result.score !== null && (
        <Progress value={result.score * 100} aria-label={`Score of ${result.label}`} />
      )}
      <Group justify="space-between">
        <Text size="xs" c="dimmed">
          {result.secondLabel && result.secondScore !== null
            ? `then ${result.secondLabel}, ${percent(result.secondScore)}`
            : ""}
        </Text>
        <Text size="xs" c="dimmed">
          {result.pipeline} · {result.model} v{result.version} · {timeOfDay(result.at)}
        </Text>
      </Group>
    </Stack>
  );
}

/** The newest result of each pipeline, as it comes. */
export function DeviceLive({ site, device }: { site: string; device: string }) {
  const org = useOrganisation().data?.org;
  const [newest, setNewest] = useState<Record<string, LiveResult>>({});
  useFeed(org ? [liveFilter(org, { site, device })] : [], (topic, payload) => {
    const result = readLive(topic, payload);
    if (result) setNewest((before) => ({ ...before, [result.pipeline]: result }));
  });
  const results = Object.values(newest);
  return (
    <Panel title="Live" aside={<LinkMark />}>
      <Stack gap="lg">
        {results.length === 0 && (
          <Text size="sm" c="dimmed" role="status">
            Waiting for the next result…
          </Text>
        )}
        {results.map((result) => (
          <Newest key={result.pipeline} result={result} />
        ))}
      </Stack>
    </Panel>
  );
}
